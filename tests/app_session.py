"""A session that is a guest on the loop of an app, which runs in a thread of its own meanwhile."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import partial

from sessions import PATIENCE, Conversation, conversation

from aiorepl.interpret.app_host import AppHost
from aiorepl.interpret.interpreter import Interpreter
from aiorepl.interpret.program_namespace import ProgramNamespace
from aiorepl.interpret.representation import represent_plain
from aiorepl.session.local import LocalSession
from aiorepl.settings import Settings

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class App:
    """A program with a loop: ``names`` are its globals, ``call`` calls a function on its loop."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {"__name__": "app", "__builtins__": __builtins__, "asyncio": asyncio}
        self.loop: asyncio.AbstractEventLoop
        self.thread: int
        self.ended = threading.Event()
        self._stop: asyncio.Event

    async def main(self, ready: "concurrent.futures.Future[None]") -> None:
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._stop = asyncio.Event()
        ready.set_result(None)
        await self._stop.wait()

    def call(self, function: Callable[[], object]) -> object:
        """Call a function on the app's loop and return what it returns."""
        answer: concurrent.futures.Future[object] = concurrent.futures.Future()
        self.loop.call_soon_threadsafe(lambda: answer.set_result(function()))
        return answer.result(PATIENCE)

    def stop(self) -> None:
        """End the app, as ``asyncio.run`` does."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stop.set)
        assert self.ended.wait(PATIENCE)

    def session(self) -> LocalSession:
        interpreter = Interpreter(ProgramNamespace(self.names), represent=represent_plain)
        return LocalSession(interpreter, partial(AppHost, self.loop), settings=Settings())


@contextlib.contextmanager
def running_app(factory: LoopFactory = asyncio.new_event_loop, *, debug: bool = False) -> Iterator[App]:
    app = App()
    ready: concurrent.futures.Future[None] = concurrent.futures.Future()

    def serve() -> None:
        with asyncio.Runner(loop_factory=factory, debug=debug) as runner:
            runner.run(app.main(ready))
        app.ended.set()

    threading.Thread(target=serve, name="app", daemon=True).start()
    ready.result(PATIENCE)
    try:
        yield app
    finally:
        app.stop()


def converse_with(app: App, script: Callable[[Conversation], Coroutine[None, None, None]]) -> None:
    """Run a test's coroutine function with a session in this app."""

    async def run() -> None:
        async with conversation(app.session()) as talk:
            await script(talk)

    asyncio.run(run())
