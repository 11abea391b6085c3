"""The graph of a snapshot: its edges, its circles and its tree, from snapshots that are written down here."""

import sys

import pytest
from made_snapshots import awaits, snapshot, task, wants

from aiorepl.introspect.graph import TreeNode, awaited_by, cycles, edges, together, tree
from aiorepl.introspect.values import Edge, Wait


def drawn(nodes: tuple[TreeNode, ...]) -> list[str]:
    return ["  " * node.depth + " ".join(filter(None, (node.relation, str(node.task), node.mark))) for node in nodes]


# Edges


def test_edges_are_from_who_awaits_and_from_who_wants_to_who_holds() -> None:
    found = edges(snapshot(task(1, awaits(2, 3, kind="gather")), task(2, wants(7, 3)), task(3), task(4)))
    assert found == (
        Edge(1, 2, "gather", "gather"),
        Edge(1, 3, "gather", "gather"),
        Edge(2, 3, "lock", "Lock", 7),
    )


def test_an_edge_leads_to_no_task_that_is_not_in_the_snapshot() -> None:
    assert edges(snapshot(task(1, awaits(2)), task(3, wants(7, 4)))) == ()


def test_a_wait_whose_holders_were_not_looked_for_has_no_edge() -> None:
    assert edges(snapshot(task(1, Wait("lock", "Lock", 7)), task(2))) == ()


def test_awaited_by_are_the_edges_the_other_way() -> None:
    found = awaited_by(snapshot(task(1, awaits(3)), task(2, wants(7, 3)), task(3)))
    assert found == {3: (1, 2)}


# Circles


def test_a_circle_is_told_from_its_lowest_number_on() -> None:
    found = cycles(snapshot(task(5, awaits(2)), task(2, wants(7, 9)), task(9, awaits(5)), task(1, awaits(2))))
    assert found == ((Edge(2, 9, "lock", "Lock", 7), Edge(9, 5, "task", "Task-5"), Edge(5, 2, "task", "Task-2")),)


def test_a_task_that_wants_what_it_holds_is_a_circle_of_one() -> None:
    assert cycles(snapshot(task(1, wants(7, 1)))) == ((Edge(1, 1, "lock", "Lock", 7),),)


def test_of_circles_that_share_a_task_the_shortest_is_told() -> None:
    found = cycles(snapshot(task(1, awaits(2, 3, kind="gather")), task(2, awaits(3)), task(3, awaits(1))))
    assert [[edge.waiter for edge in circle] for circle in found] == [[1, 3]]


def test_circles_that_share_nothing_are_told_one_by_one() -> None:
    found = cycles(snapshot(*(task(number, awaits(number ^ 1)) for number in (4, 5, 2, 3)), task(1, awaits(4))))
    assert [[edge.waiter for edge in circle] for circle in found] == [[2, 3], [4, 5]]


@pytest.mark.parametrize("waits", [{}, {1: (2,)}, {1: (2, 3), 2: (4,), 3: (4,)}], ids=["none", "chain", "diamond"])
def test_without_a_circle_none_is_found(waits: dict[int, tuple[int, ...]]) -> None:
    assert cycles(snapshot(*(task(n, awaits(*waits[n]) if n in waits else None) for n in range(1, 5)))) == ()


def test_parts_that_reach_each_other_are_found_in_a_tangle() -> None:
    graph = {1: [2], 2: [3, 4], 3: [1], 4: [5, 6], 5: [4], 6: [7], 7: [7], 8: [1, 9], 9: [10]}
    assert together(graph) == [{1, 2, 3}, {4, 5}, {7}]


def test_neither_a_long_circle_nor_a_long_chain_is_too_deep() -> None:
    count = 3 * sys.getrecursionlimit()
    circle = snapshot(*(task(number, awaits(number % count + 1)) for number in range(1, count + 1)))
    assert [edge.waiter for edge in cycles(circle)[0]] == list(range(1, count + 1))
    assert drawn(tree(circle))[-1].strip() == "task 1 cycle"
    chain = snapshot(*(task(number, awaits(number + 1)) for number in range(1, count + 1)))
    assert cycles(chain) == ()
    assert [node.depth for node in tree(chain)] == list(range(count))


# The tree


def test_below_a_task_are_those_that_it_awaits_and_those_of_its_groups() -> None:
    found = tree(
        snapshot(
            task(1, awaits(2, 3, kind="gather")),
            task(2),
            task(3, awaits(5)),
            task(4, parent=3, grouped=True),
            task(5),
            # Made by another task, which has nothing more to do with it.
            task(6, parent=1),
        )
    )
    assert drawn(found) == ["1", "  gather 2", "  gather 3", "    task 5", "    group 4", "6"]


def test_a_child_that_is_waited_for_at_the_end_of_its_group_stands_there_once() -> None:
    found = tree(snapshot(task(1, awaits(2, kind="taskgroup")), task(2, parent=1, grouped=True)))
    assert drawn(found) == ["1", "  taskgroup 2"]


def test_a_shared_child_is_drawn_once_and_referred_to() -> None:
    found = tree(snapshot(task(1, awaits(3)), task(2, awaits(3)), task(3, awaits(4)), task(4)))
    assert drawn(found) == ["1", "  task 3", "    task 4", "2", "  task 3 shared"]


def test_a_circle_of_awaits_is_marked_where_it_closes() -> None:
    found = tree(snapshot(task(1, awaits(2)), task(2, awaits(3)), task(3, awaits(2))))
    assert drawn(found) == ["1", "  task 2", "    task 3", "      task 2 cycle"]


def test_a_circle_that_nobody_awaits_is_drawn_from_its_first_task() -> None:
    found = tree(snapshot(task(1), task(2, awaits(3)), task(3, awaits(2))))
    assert drawn(found) == ["1", "2", "  task 3", "    task 2 cycle"]


def test_holders_are_referred_to_and_a_circle_through_them_is_marked() -> None:
    found = tree(snapshot(task(1, wants(7, 2)), task(2, wants(8, 1)), task(3, wants(7, 2))))
    assert drawn(found) == ["1", "  holds 2 cycle", "2", "  holds 1 cycle", "3", "  holds 2 shared"]


def test_from_a_root_only_what_is_below_it_is_drawn() -> None:
    whole = snapshot(task(1, awaits(2)), task(2, awaits(3)), task(3), task(4))
    assert drawn(tree(whole, 2)) == ["2", "  task 3"]


def test_every_task_is_drawn_once() -> None:
    # What hangs below a circle is drawn with it; a circle in which nobody is a root is drawn, too.
    tangle = {1: (2,), 2: (3, 4), 3: (1,), 4: (5,), 5: (4, 6), 7: (5,), 8: (8,)}
    found = tree(
        snapshot(*(task(number, awaits(*tangle[number]) if number in tangle else None) for number in range(1, 9)))
    )
    assert sorted(node.task for node in found if not node.mark) == list(range(1, 9))
