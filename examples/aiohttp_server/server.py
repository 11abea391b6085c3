"""A server of prices, which asks a supplier for them: `python server.py [--port 8080] [--supplier URL]`.

The prices are kept for a second, and one request at a time asks for new ones.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator

from aiohttp import ClientSession, web

import aiorepl

FRESH = 1.0


class Prices:
    """The supplier's prices, as they were at most a second ago."""

    def __init__(self, session: ClientSession, supplier: str) -> None:
        self.session = session
        self.supplier = supplier
        self.refreshing = asyncio.Lock()
        self.known: dict[str, int] = {}
        self.fetched = 0.0

    async def of(self, item: str) -> int | None:
        async with self.refreshing:
            if time.monotonic() - self.fetched > FRESH:
                await self.refresh()
        return self.known.get(item)

    async def refresh(self) -> None:
        async with self.session.get(self.supplier) as answer:
            self.known = await answer.json()
        self.fetched = time.monotonic()


PRICES = web.AppKey("prices", Prices)
SUPPLIER = web.AppKey("supplier", str)


async def price(request: web.Request) -> web.Response:
    """Tell what an item costs."""
    cents = await request.app[PRICES].of(request.match_info["item"])
    return web.json_response({"cents": cents}, status=200 if cents is not None else 404)


async def prices(app: web.Application) -> AsyncIterator[None]:
    async with ClientSession() as session:
        app[PRICES] = Prices(session, app[SUPPLIER])
        yield


async def reachable(app: web.Application) -> AsyncIterator[None]:
    """What `aiorepl doctor prices` and the others need."""
    with aiorepl.serve("prices"):
        yield


def make_app(supplier: str) -> web.Application:
    app = web.Application()
    app[SUPPLIER] = supplier
    app.cleanup_ctx.extend([prices, reachable])
    app.add_routes([web.get("/price/{item}", price)])
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tell prices.")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--supplier", default="http://127.0.0.1:8081/prices")
    given = parser.parse_args()
    web.run_app(make_app(given.supplier), host="127.0.0.1", port=given.port)
