"""Workers that take jobs from a queue: `python thumbnails.py [FOLDER]`. Each line of standard input is a job."""

import asyncio
import sys

import aiorepl

WORKERS = 3


async def work(jobs: asyncio.Queue[str], done: list[str]) -> None:
    """Make one thumbnail after another."""
    while True:
        job = await jobs.get()
        done.append(await shrink(job))
        jobs.task_done()


async def shrink(job: str) -> str:
    """Stands for the work; a job is a name and a size."""
    name, _, size = job.partition(" ")
    await asyncio.sleep(0.001 * min(int(size), 10))
    return name


async def feed(jobs: asyncio.Queue[str]) -> None:
    """Put each line of standard input into the queue; wait while it is full."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        await jobs.put(line.decode().strip())


async def main() -> None:
    jobs: asyncio.Queue[str] = asyncio.Queue(maxsize=20)
    done: list[str] = []
    with aiorepl.serve("thumbnails", namespace={"jobs": jobs, "done": done}):
        workers = [asyncio.create_task(work(jobs, done), name=f"worker-{number}") for number in range(WORKERS)]
        print("ready", flush=True)
        await feed(jobs)
        await jobs.join()
        for worker in workers:
            worker.cancel()
    print(f"{len(done)} thumbnails")


if __name__ == "__main__":
    asyncio.run(main())
