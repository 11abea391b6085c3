"""The shop of stuck_service.py as a service that anybody who runs it can look into: `python examples/served_shop.py`.

docs/serving.md finds out from outside why nothing is shipped.
"""

import asyncio

from stuck_service import Shop, open_shop

import aiorepl

shops: list[Shop] = []


@aiorepl.command(group="shop", looks=True)
def orders(context: object) -> str:
    """Tell how many orders wait to be packed."""
    return f"{shops[0].orders.qsize()} orders wait"


async def main() -> None:
    """Keep the shop open."""
    with aiorepl.serve("shop"):
        shops.append(await open_shop())
        print("the shop is open", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
