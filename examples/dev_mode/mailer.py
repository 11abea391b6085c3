"""A mailer under development: `python -X dev mailer.py`. Each line of standard input is a mail to send."""

import asyncio
import hashlib
import sys

import aiorepl


async def send(mail: str) -> None:
    """Send a mail; a slow one is signed first."""
    if mail.startswith("signed"):
        sign(mail)
    await asyncio.sleep(0.001)
    record(mail)


def sign(mail: str) -> None:
    """Stands for work that takes the processor."""
    hashlib.pbkdf2_hmac("sha256", mail.encode(), b"salt", 1_000_000)


async def record(mail: str) -> None:
    """Note that a mail was sent; nobody awaits it."""
    print("sent", mail, flush=True)


async def main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with aiorepl.serve("mailer"):
        print("ready", flush=True)
        async for line in reader:
            await asyncio.create_task(send(line.decode().strip()), name="mail")


if __name__ == "__main__":
    asyncio.run(main())
