"""For pytest: ``--aiorepl`` opens a prompt where a test hangs or fails, ``--aiorepl-dump`` reports what hangs."""

import pytest

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("aiorepl")
    group.addoption(
        "--aiorepl", action="store_true", help="open a prompt where a test fails, and beside one that hangs"
    )
    group.addoption(
        "--aiorepl-dump",
        action="store_true",
        help="report what the tasks of every event loop are doing when a test times out or hangs",
    )
    group.addoption(
        "--aiorepl-after",
        type=float,
        metavar="SECONDS",
        help="when a test is thought to hang (default: after four fifths of pytest-timeout's time, or else 60)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch the tests if that is asked for.

    Raises:
        UsageError: If the tests have no terminal for a prompt.
    """
    # Loaded here: every run of pytest loads this module where aiorepl is installed.
    after = config.getoption("aiorepl_after")
    if config.getoption("aiorepl"):
        from aiorepl.pytest_plugin.prompting import Prompting

        if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
            raise pytest.UsageError("--aiorepl needs the terminal, which the workers of pytest-xdist do not have: -n 0")
        config.pluginmanager.register(Prompting(config, after), "aiorepl-prompting")
    if config.getoption("aiorepl_dump"):
        from aiorepl.pytest_plugin.reporting import Reporting

        config.pluginmanager.register(Reporting(after), "aiorepl-reporting")
