"""The supplier of server.py: `python supplier.py [--port 8081]`. It answers until SIGUSR1 has it fall silent."""

import argparse
import asyncio
import signal
from collections.abc import AsyncIterator

from aiohttp import web

ANSWERS = web.AppKey("answers", asyncio.Event)


async def prices(request: web.Request) -> web.Response:
    await request.app[ANSWERS].wait()
    return web.json_response({"bread": 320, "butter": 285})


async def falls_silent(app: web.Application) -> AsyncIterator[None]:
    app[ANSWERS] = asyncio.Event()
    app[ANSWERS].set()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, app[ANSWERS].clear)
    yield


def make_app() -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(falls_silent)
    app.add_routes([web.get("/prices", prices)])
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Supply prices.")
    parser.add_argument("--port", type=int, default=8081)
    web.run_app(make_app(), host="127.0.0.1", port=parser.parse_args().port)
