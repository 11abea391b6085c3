"""A small service, to look at while it works: `aiorepl run examples/service.py`.

It takes numbers by TCP, and answers each with its prime factors; guests of its own keep it busy.
"""

import asyncio
import random
import signal

REQUESTS: asyncio.Queue[tuple[int, asyncio.StreamWriter]] = asyncio.Queue(maxsize=100)
served = 0
pause = 0.2


def factors(number: int) -> list[int]:
    """The prime factors of a number, the smallest first."""
    found, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return found


async def work() -> None:
    """Answer one request after the other."""
    global served
    while True:
        number, writer = await REQUESTS.get()
        writer.write(f"{number} = {' * '.join(map(str, factors(number)))}\n".encode())
        await writer.drain()
        served += 1
        if served % 10 == 0:
            print(f"{served} served")


async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the numbers of one client."""
    while line := await reader.readline():
        await REQUESTS.put((int(line), writer))
    writer.close()


async def visit(port: int) -> None:
    """A guest: ask for one number after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(f"{random.randint(2, 10**6)}\n".encode())
        await reader.readline()
        await asyncio.sleep(pause)


async def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(), name=f"worker-{number}") for number in (1, 2)]
        tasks += [group.create_task(visit(port), name=f"guest-{number}") for number in (1, 2, 3)]
        await stopped.wait()
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print(f"closed after {served} requests")
