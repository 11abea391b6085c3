"""``--aiorepl``: a prompt where a test has failed, and beside one that hangs."""

import asyncio
import concurrent.futures
import inspect
import sys
import threading
import time
from collections.abc import Generator
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

# Loaded before any test, as one that hangs may hold the lock of any import.
from aiorepl.companion import Companion
from aiorepl.embedding import open_where_raised
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.introspect.chain import coroutine_of, frame_of, links
from aiorepl.introspect.loops import loops
from aiorepl.introspect.referrers import is_main
from aiorepl.model import Notice
from aiorepl.prompt_thread import PromptThread, no_terminal
from aiorepl.pytest_plugin.patience import Patience

__all__ = ["Prompting"]


class Prompting(Patience):
    """Opens the prompts, as pytest's own ``--pdb`` does: with nothing captured meanwhile, and no limit to the time."""

    def __init__(self, config: pytest.Config, after: float | None) -> None:
        """See ``Patience``."""
        super().__init__(after)
        self._config = config
        # Held to open a prompt beside a test, which is done while the test runs and not between its phases.
        self._lock = threading.Lock()
        self._runs_in: int | None = None
        self._began = 0.0
        self._beside: tuple[Companion, PromptThread] | None = None

    def pytest_exception_interact(self, node: Any, call: "pytest.CallInfo[object]", report: Any) -> None:
        """A test has failed: show how, and open a prompt there."""
        if call.excinfo is None or not isinstance(node, pytest.Item) or not isinstance(call.excinfo.value, Exception):
            return
        self._take_terminal()
        writer = self._config.get_terminal_writer()
        writer.line()
        report.toterminal(writer)
        for title, text in report.sections:
            if self._config.getoption("showcapture") in ("all", *title.lower().split()):
                writer.sep("-", title)
                writer.line(text.removesuffix("\n"))
        open_where_raised(call.excinfo.value, call.excinfo.tb)

    def ran_out(self, item: pytest.Item, after: float, *, will_fail: bool) -> None:
        """Open a prompt beside a test that hangs."""
        with self._lock:
            if self._runs_in is None:
                return
            self._take_terminal()
            companion = Companion(_names(item, self._runs_in), item.nodeid)
            about = Notice(
                f"aiorepl beside {item.nodeid}, which has run for {after:g} s; cells run on its loop, in its names.\n"
                "%stuck and %why T tell what it waits on, %cancel T ends a task; Ctrl-D lets the test go on."
            )
            prompt = PromptThread(companion.make_session, first=[about], attend=companion.attend)
            reason = no_terminal() or ("" if prompt.claim() is None else "another prompt has it")
            if reason:
                self._config.get_terminal_writer().line(f"\naiorepl: {item.nodeid} hangs; no prompt: {reason}")
                self._give_terminal_back()
                return
            self._config.get_terminal_writer().line()
            prompt.start()
            self._beside = companion, prompt
            prompt.ended.add_done_callback(self._was_left)

    # Within the wrapper that captures, which goes on with that when the phase is over.
    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_setup(self) -> Generator[None, Any, None]:
        """A phase of the test."""
        yield from self._phase()

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, Any, None]:
        """A phase of the test."""
        yield from self._phase()

    @pytest.hookimpl(hookwrapper=True, trylast=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, None]:
        """A phase of the test."""
        yield from self._phase()

    def _phase(self) -> Generator[None, Any, None]:
        self._began = time.perf_counter()
        with self._lock:
            self._runs_in = threading.get_ident()
        outcome = yield
        with self._lock:
            self._runs_in = None
            beside, self._beside = self._beside, None
        if beside is not None:
            companion, prompt = beside
            error = None if outcome.excinfo is None else outcome.excinfo[1]
            # With a KeyboardInterrupt and the like the whole run is to end.
            stays = error is None or isinstance(error, Exception)
            companion.program_ended(error, time.perf_counter() - self._began, stays=stays)
            if not stays:
                prompt.leave()
            prompt.ended.result()

    def _was_left(self, _: "concurrent.futures.Future[None]") -> None:
        with self._lock:
            beside, self._beside = self._beside, None
        if beside is not None:
            beside[0].prompt_ended()
            self._give_terminal_back()

    def _take_terminal(self) -> None:
        # Who limits the time of a test listens to this, as it is what announces a debugger.
        self._config.hook.pytest_enter_pdb(config=self._config, pdb=None)
        if (capture := self._config.pluginmanager.getplugin("capturemanager")) is not None:
            capture.suspend(in_=True)

    def _give_terminal_back(self) -> None:
        if (capture := self._config.pluginmanager.getplugin("capturemanager")) is not None:
            capture.resume()


def _names(item: pytest.Item, thread: int) -> ProgramNamespace:
    """What the test sees where it is suspended, or where it runs; or else its module's names."""
    function = inspect.unwrap(getattr(item, "function", None) or _names)
    frame = _suspended(function) or _running(function.__code__, thread)
    if frame is not None:
        return ProgramNamespace.of_frame(frame)
    module = getattr(item, "module", None)
    return ProgramNamespace({} if module is None else module.__dict__)


def _suspended(function: FunctionType) -> FrameType | None:
    """The frame of a test that is a coroutine function, or of one that is defined in it, as for ``asyncio.run``."""
    for loop in loops():
        for task in sorted(asyncio.all_tasks(loop), key=is_main, reverse=True):
            for link in links(coroutine_of(task)):
                if (frame := frame_of(link)) is not None and _belongs(frame.f_code, function):
                    return frame
    return None


def _belongs(code: CodeType, function: FunctionType) -> bool:
    inside = code.co_qualname.startswith(f"{function.__qualname__}.<locals>.")
    return code is function.__code__ or (inside and code.co_filename == function.__code__.co_filename)


def _running(code: CodeType, thread: int) -> FrameType | None:
    frame = sys._current_frames().get(thread)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame
