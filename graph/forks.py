"""Forks: an execution of its own that starts where another one stood."""

from uuid import UUID, uuid4

from sqlalchemy import Connection

from delegation import InputError
from graph.lifecycle import FINAL_STATES
from persistence import Database, copy_execution, load_execution, load_transition

__all__ = ["fork_execution"]


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
