"""Where a step stands: still to be made, made before, lost with its checkpoint, a fork, or not this thread's to make.

A step that is not where its execution is comes from one of three: a crash lost the checkpoints that the log is ahead
of; the thread lags behind, since somebody moved the execution by hand; or a client goes on from an older checkpoint.
The first two follow what is recorded. The last is a fork: where the execution has ended, it becomes one of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from sqlalchemy import Connection, Row

from delegation import ExecutionBusy, InputError
from graph.checkpoints import goes_back, has_gone_beyond
from graph.forks import fork_on_thread
from graph.lifecycle import FINAL_STATES, WorkflowState
from graph.terms import Terms
from persistence import (
    Database,
    copy_on_thread,
    load_execution,
    load_move,
    load_transitions,
    next_request,
)

__all__ = ["Place", "Standing", "look"]


@dataclass(frozen=True)
class Place:
    """The place that a step believes to be at, and how it came to it."""

    execution_id: UUID
    node: WorkflowState
    seq: int
    """The number of the last transition."""
    task_id: str
    """LangGraph's id for the step."""
    root: str | None
    """The root checkpoint that it runs under."""
    values: dict[str, Any]
    """The thread's values, as JSON."""
    had_ended: bool
    """Whether the execution had ended before this run took hold of it."""
    begins: bool
    """Whether a fork may begin here: the board's inner steps are none to begin with."""


@dataclass(frozen=True)
class Standing:
    """What was found: which execution's step it is, under which id; ``recorded`` is the update of one made already."""

    execution_id: UUID
    task_id: str
    recorded: dict[str, Any] | None = None
    asked: bool = False
    """Whether callers' requests are waiting."""
    named: dict[str, Any] = field(default_factory=dict)
    """What the thread has to learn: the execution that it is from now on."""


@dataclass(frozen=True)
class _Seen:
    """An execution as it is stored: its row, the step's own move, and every move after the step's place."""

    row: Row[Any]
    made: Row[Any] | None
    later: Sequence[Row[Any]]
    asked: bool


async def look(database: Database, place: Place, config: RunnableConfig, terms: Terms) -> Standing:
    """Look into journal and log where the step stands; makes the fork's execution where one begins here.

    Raises:
        ExecutionBusy: the execution has moved on, and this thread is not the one to follow.
        InputError: a fork cannot begin here.
        DefinitionChanged: it would begin under another definition of the graph.
    """
    thread_id = str(config["configurable"]["thread_id"])

    def read(connection: Connection) -> tuple[_Seen, _Seen | None]:
        seen = _see(connection, load_execution(connection, place.execution_id), place)
        if seen.row.status not in FINAL_STATES or not seen.later or not place.begins:
            return seen, None
        copy = copy_on_thread(connection, thread_id, seen.row.id, place.seq)
        return seen, copy and _see(connection, copy, place)

    seen, copy = await database.read(read)
    if seen.row.status not in FINAL_STATES and seen.row.thread_id != thread_id:
        raise ExecutionBusy(
            f"execution {seen.row.id} is open, and on another thread than this copy of it",
            hint=f"squad resume {seen.row.id}, or fork it by orchestrator.fork(execution_id, seq)",
        )
    if (found := await _found(seen, place, config, has_copy=copy is not None)) is not None:
        return found
    if copy is not None:
        if (found := await _found(copy, place, config)) is not None:
            return _renamed(found, copy.row)
        if copy.row.status not in FINAL_STATES:
            raise _moved_on(copy.row, place)
    if seen.row.status not in FINAL_STATES or not seen.later:
        raise _moved_on(seen.row, place)
    _check_beginning(seen.row, place)
    row = await fork_on_thread(database, seen.row, place.seq, place.node, thread_id, place.values, terms)
    return _renamed(Standing(row.id, _own_id(row, place)), row)


def _see(connection: Connection, row: Row[Any], place: Place) -> _Seen:
    made = load_move(connection, place.task_id, row.id) or load_move(connection, _own_id(row, place), row.id)
    later = load_transitions(connection, row.id, place.seq) if row.seq > place.seq else []
    return _Seen(row, made, later, next_request(connection, row.id) is not None)


async def _found(seen: _Seen, place: Place, config: RunnableConfig, *, has_copy: bool = False) -> Standing | None:
    """Return the step as one of that execution's, to be made or made before; None where it is not."""
    row = seen.row
    own_id = _own_id(row, place)
    if row.status == place.node and row.seq == place.seq:
        return Standing(row.id, own_id, asked=seen.asked)
    follows = seen.later and seen.later[0].from_state == place.node
    if not (seen.made or follows) or row.pruned_at is not None:
        return None
    if seen.made is None and place.had_ended and goes_back(config):
        return None  # it was over before, and the client named the place to go on from
    if has_copy or await has_gone_beyond(config, place.root, row.id, place.seq, seen.later):
        return None
    # the checkpoint that the move was made under was lost with its process, or it was made by hand: it is this step
    return Standing(row.id, own_id, _update(seen.made or seen.later[0]))


def _own_id(row: Row[Any], place: Place) -> str:
    """Return the id under which the step is recorded. A fork's first step may have come with its original's id."""
    is_first = row.forked_from is not None and row.forked_at == place.seq
    return f"{place.task_id}:{row.id}" if is_first else place.task_id


def _update(move: Row[Any]) -> dict[str, Any]:
    """Return a stored move as the update of the thread that its step made."""
    delta: dict[str, Any] = move.delta
    return delta | {"status": move.to_state, "seq": move.seq}


def _renamed(found: Standing, row: Row[Any]) -> Standing:
    """Return the standing with what the thread has to learn: the execution that it is from now on."""
    named = {"execution_id": str(row.id), "task": {"id": str(row.task_id)}}
    recorded = None if found.recorded is None else named | found.recorded
    return replace(found, recorded=recorded, named=named)


def _check_beginning(row: Row[Any], place: Place) -> None:
    if row.pruned_at is not None:
        raise InputError(
            f"execution {row.id} has ended, and its checkpoints were pruned: nothing goes on from them",
            hint="give new input, or fork it by orchestrator.fork(execution_id, seq)",
        )
    if not place.begins:
        raise InputError(
            f"execution {row.id} has ended, and a fork cannot begin inside its board",
            hint=f"go on from the checkpoint before {place.node.value!r}, which the whole board starts from",
        )


def _moved_on(row: Row[Any], place: Place) -> ExecutionBusy:
    """Return the error for a thread that is not where its execution is."""
    return ExecutionBusy(
        f"execution {row.id} is in {row.status!r} at transition {row.seq}, and this thread wants to run "
        f"{place.node.value!r} at {place.seq}: it was moved on elsewhere, or the thread was forked",
        hint=f"squad resume {row.id} brings the thread to where the execution is",
    )
