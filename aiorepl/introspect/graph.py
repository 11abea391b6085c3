"""Who cannot go on before whom: the graph of a snapshot's tasks, its circles, and its tree.

Pure functions over values. Circles and shared children are part of the graph, and nothing is recursive.
"""

from collections import defaultdict, deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from aiorepl.introspect.pieces import PIECE, at_once
from aiorepl.introspect.values import Edge, LoopSnapshot

__all__ = ["TreeNode", "awaited_by", "circles", "cycles", "edges", "edges_in_pieces", "together", "tree"]

Graph = Mapping[int, Iterable[int]]


class TreeNode(NamedTuple):
    """A line of the tree: a task below the one that awaits it.

    ``relation`` is the kind of wait of the task above, "group" for a child of its TaskGroup, "holds" for one that holds
    what it waits for, and empty for a root. With a ``mark`` the task is drawn elsewhere: "cycle" if the task
    above is one of those that it waits for in the end, "shared" if it stands further above, or below as a root.
    """

    depth: int
    task: int
    relation: str = ""
    mark: Literal["", "cycle", "shared"] = ""


def edges(snapshot: LoopSnapshot) -> tuple[Edge, ...]:
    """List who awaits whom, and who wants what somebody else holds, among the tasks of the snapshot."""
    return tuple(at_once(edges_in_pieces(snapshot)))


def edges_in_pieces(snapshot: LoopSnapshot) -> Generator[None, None, list[Edge]]:
    """The same in pieces."""
    there = {info.number for info in snapshot.tasks}
    yield
    found = []
    for index, info in enumerate(snapshot.tasks):
        if index % PIECE == 0:
            yield
        wait = info.wait
        if wait is None:
            continue
        for count, target in enumerate((*wait.tasks, *(wait.holders or ())), 1):
            if target in there:
                found.append(Edge(info.number, target, wait.kind, wait.what, wait.key))
            if count % PIECE == 0:
                yield
    return found


def awaited_by(snapshot: LoopSnapshot) -> dict[int, tuple[int, ...]]:
    """Return for each task that others wait for the numbers of those."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for edge in edges(snapshot):
        found[edge.target].append(edge.waiter)
    return {number: tuple(waiters) for number, waiters in found.items()}


def cycles(snapshot: LoopSnapshot) -> tuple[tuple[Edge, ...], ...]:
    """Return a shortest circle of waits for each set of tasks that wait for each other, the lowest numbers first."""
    return circles(edges(snapshot))


def circles(some: Iterable[Edge]) -> tuple[tuple[Edge, ...], ...]:
    """The same for some edges only."""
    outgoing: defaultdict[int, list[Edge]] = defaultdict(list)
    for edge in some:
        outgoing[edge.waiter].append(edge)
    graph = {number: [edge.target for edge in found] for number, found in outgoing.items()}
    return tuple(_circle(outgoing, members) for members in together(graph))


def together(graph: Graph) -> list[set[int]]:
    """Return the sets of nodes that can all be reached from each other, those of one node only if it reaches itself.

    Tarjan's algorithm for strongly connected components, with a stack of its own.
    """
    found: list[set[int]] = []
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    for root in sorted(graph):
        if root in order:
            continue
        work: list[tuple[int, Iterator[int]]] = [(root, iter(graph.get(root, ())))]
        order[root] = lowest[root] = len(order)
        path.append(root)
        on_path.add(root)
        while work:
            node, targets = work[-1]
            target = next(targets, None)
            if target is None:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == order[node]:
                    found.append(_popped(path, on_path, node))
            elif target not in order:
                order[target] = lowest[target] = len(order)
                path.append(target)
                on_path.add(target)
                work.append((target, iter(graph.get(target, ()))))
            elif target in on_path:
                lowest[node] = min(lowest[node], order[target])
    circles = [part for part in found if len(part) > 1 or any(node in graph.get(node, ()) for node in part)]
    return sorted(circles, key=min)


def tree(snapshot: LoopSnapshot, root: int | None = None) -> tuple[TreeNode, ...]:
    """Return the tasks in drawing order: below each those that it awaits, and those of its TaskGroups.

    Roots are the tasks that nobody awaits and that are in no TaskGroup, then one of each circle that is left. With
    ``root`` only what is below that task.
    """
    return _Tree(snapshot).drawn(root)


def _popped(path: list[int], on_path: set[int], node: int) -> set[int]:
    """Take the nodes from the end of the path down to this one."""
    index = path.index(node)
    part = set(path[index:])
    del path[index:]
    on_path -= part
    return part


def _circle(outgoing: Mapping[int, list[Edge]], members: set[int]) -> tuple[Edge, ...]:
    """A shortest way from the lowest member back to itself."""
    start = min(members)
    reached: dict[int, Edge] = {}
    waiting = deque([start])
    while start not in reached:
        node = waiting.popleft()
        for edge in outgoing[node]:
            if edge.target in members and edge.target not in reached:
                reached[edge.target] = edge
                waiting.append(edge.target)
    way = [reached[start]]
    while way[-1].waiter != start:
        way.append(reached[way[-1].waiter])
    return tuple(reversed(way))


class _Tree:
    """The relations of a snapshot's tasks, ready to be drawn."""

    def __init__(self, snapshot: LoopSnapshot) -> None:
        self.numbers = [info.number for info in snapshot.tasks]
        there = set(self.numbers)
        self.below: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
        self.holders: defaultdict[int, list[int]] = defaultdict(list)
        graph: defaultdict[int, list[int]] = defaultdict(list)
        for info in snapshot.tasks:
            wait = info.wait
            for target in wait.tasks if wait is not None else ():
                if wait is not None and target in there:
                    self.below[info.number].append((target, wait.kind))
                    graph[info.number].append(target)
            for holder in (wait.holders or ()) if wait is not None else ():
                if holder in there:
                    self.holders[info.number].append(holder)
                    graph[info.number].append(holder)
        for info in snapshot.tasks:
            parent = info.parent
            if info.grouped and parent in there and (info.number, "taskgroup") not in self.below[parent]:
                self.below[parent].append((info.number, "group"))
        self.circle_of = {number: index for index, part in enumerate(together(graph)) for number in part}

    def drawn(self, root: int | None) -> tuple[TreeNode, ...]:
        if root is not None:
            return tuple(self._from([root], set()))
        drawn: set[int] = set()
        nodes = list(self._from(self._roots(), drawn))
        for number in self.numbers:
            # What is left is in circles, or hangs below one.
            if number not in drawn and number in self.circle_of:
                nodes += self._from([number], drawn)
        return tuple(nodes)

    def _roots(self) -> list[int]:
        awaited = {target for targets in self.below.values() for target, _ in targets}
        return [number for number in self.numbers if number not in awaited]

    def _from(self, roots: list[int], drawn: set[int]) -> Iterator[TreeNode]:
        """Draw the trees of some roots, each task once."""
        # What is still to be drawn, the next one last; ``None`` stands where the tasks below a task end.
        work: list[TreeNode | None] = [TreeNode(0, number) for number in reversed(roots)]
        above: list[int] = []
        while work:
            node = work.pop()
            if node is None:
                above.pop()
                continue
            number = node.task
            if node.relation == "holds":
                same = self.circle_of.get(number, -1) == self.circle_of.get(above[-1], -2)
                yield node._replace(mark="cycle" if same else "shared")
                continue
            if number in drawn:
                if node.depth:
                    yield node._replace(mark="cycle" if number in above else "shared")
                continue
            drawn.add(number)
            yield node
            above.append(number)
            work.append(None)
            depth = node.depth + 1
            work += [TreeNode(depth, target, relation) for target, relation in reversed(self.below[number])]
            work += [TreeNode(depth, holder, "holds") for holder in reversed(self.holders[number])]
