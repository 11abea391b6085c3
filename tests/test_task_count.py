"""The toolbar's count of tasks."""

import asyncio

from aiorepl.session.task_count import TaskCount


def test_a_count_is_kept_in_proportion_to_what_it_cost() -> None:
    # Each look at the clock: counting takes one second.
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    async def main() -> None:
        count, loop = TaskCount(clock), asyncio.get_running_loop()
        assert count.of(loop) == 1
        task = asyncio.create_task(asyncio.sleep(0))
        assert count.of(loop) == 1
        now[0] += 50
        assert count.of(loop) == 2
        await task
        # Another loop's count is not this one's.
        other = asyncio.new_event_loop()
        assert count.of(other) == 0
        other.close()

    asyncio.run(main())
