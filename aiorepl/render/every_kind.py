"""Importing this registers what each kind of value looks like; a module that describes further ones is added here."""

from aiorepl.render import (  # noqa: F401
    describe_alerts,
    describe_debug,
    describe_doctor,
    describe_loops,
    describe_outside,
    describe_remote,
    describe_report,
    describe_tasks,
    describe_traces,
)

__all__: list[str] = []
