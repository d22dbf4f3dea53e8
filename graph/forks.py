"""Forks: an execution of its own that starts where another one stood."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Row

from delegation import ExecutionBusy, InputError
from graph.lifecycle import FINAL_STATES
from graph.state import FRESH, decode, encode, state_after
from graph.terms import Terms
from persistence import (
    Database,
    Effects,
    copy_execution,
    execution_on_thread,
    keep_terms,
    load_execution,
    load_transition,
    load_transitions,
    store_effects,
)

__all__ = ["fork_execution", "fork_on_thread"]


async def fork_execution(database: Database, execution_id: UUID, seq: int) -> UUID:
    """Copy an execution as it stood after transition ``seq``; returns the copy's id.

    Raises:
        NotFound: there is no such execution.
        InputError: it has no such transition, or the state that it led to is final.
    """
    new_id = uuid4()

    def copy(connection: Connection) -> None:
        row = load_execution(connection, execution_id)
        transition = load_transition(connection, execution_id, seq)
        if transition is None:
            raise InputError(
                f"execution {execution_id} has no transition {seq}", hint=f"its transitions are 1 to {row.seq}"
            )
        if transition.to_state in FINAL_STATES:
            raise InputError(
                f"transition {seq} ended execution {execution_id}; nothing goes on from there",
                hint="fork from an earlier transition",
            )
        copy_execution(connection, row, transition, new_id)

    await database.write(copy)
    return new_id


async def fork_on_thread(
    database: Database, row: Row[Any], seq: int, node: str, thread_id: str, values: Mapping[str, Any], terms: Terms
) -> Row[Any]:
    """Copy an ended execution for a client that goes on from an older checkpoint of a thread; returns the copy's row.

    Args:
        database: where it is stored.
        row: the original's row.
        seq: the number of the last transition that the checkpoint follows.
        node: the state that is to go on.
        thread_id: the client's thread, which the copy is on from now on.
        values: the thread's values, in which the client may have changed something.
        terms: what the client's run brings along, which the copy agrees to before it is made.

    Raises:
        DefinitionChanged: the original began under another definition of the graph.
        ExecutionBusy: another execution on the thread is open.
        InputError: the checkpoint is not one of the execution's.
    """

    def copy(connection: Connection) -> Row[Any]:
        # looked for under the write lock: several steps of one run may begin at once
        there = execution_on_thread(connection, thread_id)
        if there is not None and there.status not in FINAL_STATES:
            if (there.forked_from, there.forked_at) == (row.id, seq):
                return there
            raise ExecutionBusy(
                f"this thread's execution {there.id} is still open, in {there.status!r}: it cannot be forked from here",
                hint=f"squad resume {there.id}, or fork {row.id} by orchestrator.fork(execution_id, seq)",
            )
        log = load_transitions(connection, row.id)[:seq]
        if len(log) < seq or not log or log[-1].to_state != node:
            raise InputError(
                f"the thread's values are not of execution {row.id}: after transition {seq} it was not in {node!r}",
                hint="go on from a checkpoint of the thread's history as it is",
            )
        new_id, edits = uuid4(), _edits(values, log)
        copy_execution(connection, row, log[-1], new_id, thread_id=thread_id, changed=edits)
        effects = Effects()
        effects.log("forked", f"goes on from execution {row.id} after its transition {seq}", changed=sorted(edits))
        store_effects(connection, new_id, effects)
        keep_terms(connection, new_id, terms.agree(connection, load_execution(connection, new_id)).columns)
        return load_execution(connection, new_id)

    return await database.write(copy)


def _edits(values: Mapping[str, Any], log: Sequence[Row[Any]]) -> dict[str, Any]:
    """Return what a thread holds in place of what its log says: the changes that a client made to an older state."""
    known = state_after(log)
    changed = {name: values[name] for name in FRESH if name in values and values[name] != known[name]}
    return encode(decode(changed))
