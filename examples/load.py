"""Clients that keep a web server busy: `python load.py http://127.0.0.1:8080/price/bread [URL ...] --clients 20`.

Each client has a connection of its own and asks for one address after another, ten times in a second at most, until
this is stopped.
"""

import argparse
import asyncio
import contextlib
import time
import urllib.parse
from collections import Counter

# Seconds between an answer and the next question.
PAUSE = 0.1


async def client(urls: list[str], first: int, answers: Counter[str]) -> None:
    """Ask again and again; a connection that is closed is opened anew."""
    host = urllib.parse.urlsplit(urls[0])
    asked = first
    while True:
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection(host.hostname, host.port)
            try:
                while True:
                    answers[await ask(reader, writer, urls[asked % len(urls)])] += 1
                    asked += 1
                    await asyncio.sleep(PAUSE)
            finally:
                writer.close()
        await asyncio.sleep(PAUSE)


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> str:
    """Ask for one address; return the status."""
    where = urllib.parse.urlsplit(url)
    writer.write(f"GET {where.path or '/'} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = head.partition("content-length:")[2].partition("\r\n")[0]
    await reader.readexactly(int(length or 0))
    return head.split()[1]


async def main(urls: list[str], clients: int) -> None:
    """Tell once a second what was answered."""
    answers: Counter[str] = Counter()
    running = [asyncio.create_task(client(urls, number, answers)) for number in range(clients)]
    begun = time.monotonic()
    while running:
        await asyncio.sleep(1)
        told = ", ".join(f"{count} x {status}" for status, count in sorted(answers.items())) or "nothing"
        print(f"{time.monotonic() - begun:.0f} s: {told}", flush=True)
        answers.clear()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Keep a web server busy.")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--clients", type=int, default=20, metavar="N")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(given.urls, given.clients))
