"""A shop that has come to a standstill: `%run examples/stuck_service.py`, `shop = await open_shop()`, then `%tasks`.

docs/incident.md finds out why, with each command.
"""

import asyncio
import threading


class Shop:
    """Orders come in by a socket, packers ship them, a clerk refunds them; a notice is sent of each."""

    def __init__(self) -> None:
        """Empty shelves, and nobody at work."""
        self.orders: asyncio.Queue[int] = asyncio.Queue(maxsize=3)
        self.stock = asyncio.Lock()
        self.ledger = asyncio.Lock()
        self.printers = asyncio.Semaphore(1)
        self.shift: list[asyncio.Task[None]] = []
        self.counting: asyncio.Task[None] | None = None
        self.notices: set[asyncio.Task[None]] = set()
        self.connections: list[object] = []
        self.disk = threading.Event()

    async def sell(self) -> None:
        """Take orders, one after the other."""
        number = 0
        while True:
            number += 1
            await self.orders.put(number)

    async def pack(self) -> None:
        """Ship what is ordered: the stock first, then the ledger."""
        while True:
            await self.orders.get()
            async with self.stock:
                await asyncio.sleep(0.02)
                await self.write_down("shipped")

    async def refund(self) -> None:
        """Take back what was shipped: the ledger first, then the stock."""
        async with self.ledger:
            await asyncio.sleep(0.03)
            async with self.stock:
                pass

    async def write_down(self, what: str) -> None:
        """Add a line to the ledger."""
        async with self.ledger:
            await asyncio.sleep(0.01)

    async def wait_for_delivery(self) -> None:
        """Wait until a lorry has come; whoever was to say so has been removed from the code."""
        arrived = asyncio.Event()
        await arrived.wait()

    async def notify(self, customer: int) -> None:
        """Send a notice, and never hear of it again."""
        async with asyncio.timeout(3600):
            await asyncio.sleep(7200)

    async def print_labels(self, seconds: float) -> None:
        """Use the only printer."""
        async with self.printers:
            await asyncio.sleep(seconds)

    async def close_day(self) -> None:
        """Do what is due each evening, side by side."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.print_labels(600), name="labels")
            group.create_task(self.print_labels(60), name="more-labels")
            group.create_task(self.archive(), name="archive")

    async def archive(self) -> None:
        """Write files in the thread pool."""
        await asyncio.gather(*(asyncio.to_thread(self.write_file) for _ in range(8)))

    def write_file(self) -> None:
        """Wait for a disk that does not answer, for a minute at most."""
        self.disk.wait(60)

    async def count(self) -> None:
        """Wait for the packers' shift to end."""
        await asyncio.wait(self.shift)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each line that a customer sends."""
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()


async def open_shop() -> Shop:
    """Open the shop; a moment later it is stuck."""
    shop = Shop()
    server = await asyncio.start_server(shop.serve, "127.0.0.1", 0)
    customer = await asyncio.open_connection(*server.sockets[0].getsockname())
    work = {
        "seller": shop.sell(),
        "packer-1": shop.pack(),
        "packer-2": shop.pack(),
        "clerk": shop.refund(),
        "delivery": shop.wait_for_delivery(),
        "evening": shop.close_day(),
    }
    shop.shift = [asyncio.create_task(coroutine, name=name) for name, coroutine in work.items()]
    shop.counting = asyncio.create_task(shop.count(), name="counter")
    shop.notices = {asyncio.create_task(shop.notify(number)) for number in range(250)}
    shop.connections = [server, customer]
    await asyncio.sleep(0.1)
    return shop
