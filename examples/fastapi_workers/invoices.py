"""An API that prints invoices: `uvicorn invoices:app --workers 2 --loop uvloop`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI, HTTPException

import aiorepl


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Each worker can be reached, as `invoices`."""
    with aiorepl.serve("invoices"):
        yield


app = FastAPI(lifespan=lifespan)

# Each worker has one, and prints one invoice at a time.
printer = asyncio.Lock()


@app.get("/invoice/{number}")
async def invoice(number: int) -> dict[str, int]:
    """Print an invoice; tell how many pages it has."""
    await printer.acquire()
    pages = await print_invoice(number)
    printer.release()
    return {"pages": pages}


async def print_invoice(number: int) -> int:
    await asyncio.sleep(0.001)
    if number == 0:
        raise HTTPException(404, "there is no such invoice")
    return number % 3 + 1
