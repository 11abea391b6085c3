"""Prompts inside a program: `python examples/embedded.py` stops where something looks wrong.

Look at `order` and `stock`, correct one of them, and leave with Ctrl-D: the program goes on with what you made of it.
"""

import asyncio

import aiorepl


async def bake(oven: asyncio.Semaphore, done: list[str]) -> None:
    """What goes on meanwhile."""
    while True:
        async with oven:
            await asyncio.sleep(0.5)
            done.append("loaf")


async def deliver(order: dict[str, int], stock: dict[str, int]) -> None:
    """Take from the stock what was ordered; a person decides about what is not there."""
    missing = {what: count for what, count in order.items() if stock.get(what, 0) < count}
    if missing:
        await aiorepl.embed()
    for what, count in order.items():
        stock[what] -= count
    print("delivered", order, "left", stock)


async def main() -> None:
    """Two orders: one with too much in it, one with something that nobody has heard of."""
    done: list[str] = []
    baking = asyncio.create_task(bake(asyncio.Semaphore(1), done), name="baker")
    stock = {"rolls": 40, "loaves": 3}
    await deliver({"rolls": 10, "loaves": 5}, stock)
    async with aiorepl.post_mortem():
        await deliver({"rolls": 1, "cakes": 1}, stock)
    baking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
