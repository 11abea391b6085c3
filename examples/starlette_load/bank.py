"""A bank with three faults, each behind an address of its own: `uvicorn bank:app`."""

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import aiorepl


@dataclass
class Account:
    """What is on an account, and who may change it."""

    balance: int = 1000
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


accounts = {"ann": Account(), "bob": Account()}
watchers: set[asyncio.Task[None]] = set()


async def balance(request: Request) -> JSONResponse:
    """Nothing is wrong with this one."""
    account = accounts[request.path_params["name"]]
    async with account.lock:
        await write_down()
        return JSONResponse({"balance": account.balance})


async def transfer(request: Request) -> JSONResponse:
    """The deadlock: two transfers, there and back, each take the lock that the other one needs."""
    giver, taker = accounts[request.path_params["giver"]], accounts[request.path_params["taker"]]
    async with giver.lock:
        await write_down()
        async with taker.lock:
            giver.balance -= 1
            taker.balance += 1
    return JSONResponse({"balance": giver.balance})


async def statement(request: Request) -> JSONResponse:
    """The blocking call: while the other program works, nobody else is served."""
    print_statement()
    return JSONResponse({"pages": 1})


def print_statement() -> None:
    subprocess.run(["sleep", "0.3"], check=True)


async def watch(request: Request) -> JSONResponse:
    """The leak: each request leaves a task that waits for what does not happen."""
    watcher = asyncio.create_task(notify(accounts[request.path_params["name"]]))
    watchers.add(watcher)
    return JSONResponse({"watchers": len(watchers)})


async def notify(account: Account) -> None:
    await account.changed.wait()


async def write_down() -> None:
    """Stands for a database."""
    await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    with aiorepl.serve("bank"):
        yield


app = Starlette(
    routes=[
        Route("/balance/{name}", balance),
        Route("/transfer/{giver}/{taker}", transfer),
        Route("/statement/{name}", statement),
        Route("/watch/{name}", watch),
    ],
    lifespan=lifespan,
)
