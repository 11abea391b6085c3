"""What executes has no await chain; asking for it crashed Python 3.11 and 3.12."""

import asyncio
from collections.abc import AsyncIterator

from aiorepl.introspect.chain import links


class Ask:
    """Called as an object, which the interpreter cannot make faster: so it comes through the code that crashed."""

    def __init__(self) -> None:
        self.about: object = None

    def __call__(self) -> bool:
        return links(self.about) == [self.about]


def test_a_coroutine_that_executes_has_no_chain_behind_it() -> None:
    ask = Ask()

    async def main() -> bool:
        ask.about = asyncio.current_task().get_coro()  # type: ignore[union-attr]
        alone = True
        for _ in range(20_000):
            alone = alone and ask()
        return alone

    assert asyncio.run(main())


def test_an_asynchronous_generator_that_executes_has_no_chain_behind_it() -> None:
    ask = Ask()

    async def answers() -> AsyncIterator[bool]:
        alone = True
        for _ in range(20_000):
            alone = alone and ask()
        yield alone

    async def main() -> list[bool]:
        ask.about = answers()
        return [answer async for answer in ask.about]

    assert asyncio.run(main()) == [True]
