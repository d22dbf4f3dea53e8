"""Where a run can be killed: the project's own functions, wrapped by name, in this one place.

A point is what has just happened or is about to, such as ``after commit planning@2``, with a count where it comes more
than once. A process either lists its points or kills itself at one of them.
"""

import asyncio
import functools
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crash_scenario import AT

import graph.blocked
import graph.board
import graph.build
import graph.nodes
import graph.starting
from graph.board import BoardNodes
from graph.board_work import MemberAtWork
from graph.drive import Drives
from graph.orchestrator import TaskOrchestrator
from graph.step import Step
from persistence.saver import OneHopSaver

__all__ = ["Late", "Points", "put_in"]


@dataclass
class Points:
    """The points of one process; at ``deadly`` it is killed with SIGKILL."""

    deadly: str | None = None
    passed: list[str] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    def reach(self, name: str) -> None:
        """Pass a point, or end here."""
        self._counts[name] += 1
        point = f"{name} #{self._counts[name]}"
        self.passed.append(point)
        if point == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Late:
    """Holds up what goes to the checkpointer, so that the log is ahead of the thread for certain.

    What is held is let go once ``steps`` more steps were committed, or with ``None`` only at the end of a run, which
    waits for it: LangGraph leaves no run before its checkpoints are stored. ``most_s`` is the longest time in seconds
    that anything is held, for a run that was resumed: where its last step is not run again, nobody would let go.
    """

    steps: int | None
    root_only: bool = False
    most_s: float | None = None
    _commits: int = 0
    _root_is_free: bool = False
    _board_is_free: bool = False
    _held: list[tuple[int | None, bool, asyncio.Future[None]]] = field(default_factory=list)

    def start(self) -> None:
        """Begin to hold: a run starts."""
        self._root_is_free = self._board_is_free = False

    async def hold(self, namespace: str) -> None:
        """Wait until what is written to that namespace may be stored."""
        is_root = not namespace
        is_free = self._root_is_free if is_root else self.root_only or self._board_is_free
        if not is_free:
            due = None if self.steps is None else self._commits + self.steps
            held = asyncio.get_running_loop().create_future()
            self._held.append((due, is_root, held))
            await asyncio.wait([held], timeout=self.most_s)

    def committed(self) -> None:
        """Count a step that was committed."""
        self._commits += 1
        self._let_go(lambda due, _: due is not None and due <= self._commits)

    def open_board(self) -> None:
        """Begin to hold what the board's graph writes."""
        self._board_is_free = False

    def close_board(self) -> None:
        """Let go what the board's graph wrote: its run ends."""
        self._board_is_free = True
        self._let_go(lambda _, is_root: not is_root)

    def end(self) -> None:
        """Let go everything: the run ends."""
        self._root_is_free = self._board_is_free = True
        self._let_go(lambda _, __: True)

    def _let_go(self, is_due: Callable[[int | None, bool], bool]) -> None:
        for one in [one for one in self._held if is_due(one[0], one[1])]:
            self._held.remove(one)
            if not one[2].done():
                one[2].set_result(None)


def put_in(points: Points, late: Late | None) -> None:
    """Wrap the functions of this process; it has to be done before a graph is built."""
    wrap = functools.partial(_wrap, points)
    for state, act in graph.nodes.ACTS.items():
        graph.nodes.ACTS[state] = wrap(act, _act)
    wrap_in = functools.partial(_wrap_in, points)
    wrap_in(graph.board, "closing", _act)
    wrap_in(Step, "commit", lambda step, _: f"commit {step.node.value}@{step.state['seq']}", late and late.committed)
    wrap_in(graph.starting, "_create", lambda *_: "commit pending@0", late and late.committed)
    wrap_in(MemberAtWork, "_act", lambda _, subtask, *__: f"work {subtask.id}")
    wrap_in(MemberAtWork, "_store", lambda _, subtask, done, *__: f"commit {subtask.id}/{done.turn}")
    wrap_in(graph.blocked, "_take", lambda *_: "commit answer")
    wrap_in(TaskOrchestrator, "execute_task", lambda *_, **__: "commit execution")
    wrap_in(TaskOrchestrator, "add_subtask", lambda *_, **__: "commit change of plan")
    wrap_in(TaskOrchestrator, "answer", lambda *_, **__: "commit answer")
    wrap_in(Drives, "start", lambda *_, **__: "lease")
    wrap_in(Drives, "end", lambda *_: "end of lease")
    wrap_in(graph.build, "end_execution", lambda _, state, *__, **___: f"node {state['status']}")
    _hold(late)
    wrap_in(OneHopSaver, "aput", lambda _, config, *__, **___: f"checkpoint of {_graph(config)}")
    # before these, nothing more is stored than after the step's commit
    wrap_in(OneHopSaver, "aput_writes", lambda _, config, *__, **___: f"writes of {_graph(config)}", before=False)


def _act(step: Step, *_: Any, **__: Any) -> str:
    at = f"{step.node.value}@{step.state['seq']}"
    AT.set(at)
    return f"act {at}"


def _graph(config: Any) -> str:
    return "the board" if config["configurable"].get("checkpoint_ns") else "the root"


def _wrap(
    points: Points,
    call: Any,
    name: Callable[..., str],
    after: Callable[[], None] | None = None,
    *,
    before: bool = True,
) -> Any:
    @functools.wraps(call)
    async def wrapped(*args: Any, **options: Any) -> Any:
        point = name(*args, **options)
        if before:
            points.reach(f"before {point}")
        result = await call(*args, **options)
        points.reach(f"after {point}")
        if after:
            after()
        return result

    return wrapped


def _wrap_in(points: Points, owner: Any, attribute: str, name: Callable[..., str], *after: Any, **options: Any) -> None:
    setattr(owner, attribute, _wrap(points, getattr(owner, attribute), name, *after, **options))


def _hold(late: Late | None) -> None:
    """Hold up the checkpointer's writes, and let them go where a run would wait for them."""
    if late is None:
        return
    for attribute in ("aput", "aput_writes"):
        setattr(OneHopSaver, attribute, _held_up(getattr(OneHopSaver, attribute), late))
    _call_around(BoardNodes, "open_board", before=late.open_board)
    _call_around(BoardNodes, "close_board", after=late.close_board)
    _call_around(graph.build, "end_execution", after=late.end)
    ask = graph.blocked.interrupt

    def interrupt(*args: Any, **options: Any) -> Any:
        late.end()
        return ask(*args, **options)

    graph.blocked.interrupt = interrupt


def _held_up(store: Any, late: Late) -> Any:
    @functools.wraps(store)
    async def held_up(saver: Any, config: Any, *args: Any, **options: Any) -> Any:
        await late.hold(config["configurable"].get("checkpoint_ns", ""))
        return await store(saver, config, *args, **options)

    return held_up


def _call_around(
    owner: Any, attribute: str, *, before: Callable[[], None] | None = None, after: Callable[[], None] | None = None
) -> None:
    call = getattr(owner, attribute)

    @functools.wraps(call)
    async def around(*args: Any, **options: Any) -> Any:
        if before:
            before()
        try:
            return await call(*args, **options)
        finally:
            if after:
                after()

    setattr(owner, attribute, around)
