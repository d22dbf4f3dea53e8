"""Moves that callers make by hand, and the way out of blocked once nothing is asked any more."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from delegation import Answer, Gate, GateStatus
from graph.answers import BY_DEADLINE, exit_from
from graph.asking import approvals_told
from graph.lifecycle import WorkflowState, check_move
from graph.state import encode, state_after
from persistence import Effects, Move, load_gates, load_transitions

__all__ = ["leave", "leave_unasked", "move_of"]


def leave(connection: Connection, row: Row[Any], answer: Answer, effects: Effects) -> Move | None:
    """Return the move out of blocked, or None while a gate is open. Read after the answer was claimed.

    What is said on the way out is added to the effects.

    The move says so where it was a deadline's answer that lets the execution go on: then nobody may be there to drive,
    and whether anybody has since is told by the lease's epoch.
    """
    gates = [gate for gate in load_gates(connection, row.id) if gate.opened_at >= row.blocked_at]
    if any(gate.status == GateStatus.OPEN for gate in gates):
        return None
    by = {"by": BY_DEADLINE, "epoch": row.lease_epoch} if answer.answered_by == BY_DEADLINE else {}
    move = _answered(connection, row, gates, by)
    if move.to_state == WorkflowState.IN_PROGRESS:
        effects.messages += approvals_told(row.id, gates)
    return move


def leave_unasked(connection: Connection, row: Row[Any], reason: str) -> Move:
    """Return the move out of blocked where the last open question was withdrawn: where the answers given say, or on."""
    gates = [gate for gate in load_gates(connection, row.id) if gate.opened_at >= row.blocked_at]
    if any(gate.answer for gate in gates):
        return _answered(connection, row, gates, {})
    to_state = gates[-1].next_state or gates[-1].origin_state
    return move_of(row, to_state, reason, {"by": "caller"})


def _answered(connection: Connection, row: Row[Any], gates: Sequence[Gate], by: dict[str, Any]) -> Move:
    """Return the move to where the answers say; ``by`` is what its metadata tells of whoever had the last word."""
    found = exit_from(gates, state_after(load_transitions(connection, row.id))["round"])
    return replace(move_of(row, found.to_state, found.reason, found.metadata | by), delta=encode(found.delta))


def move_of(row: Row[Any], to_state: str, reason: str | None, metadata: dict[str, Any]) -> Move:
    """Return a move by hand, checked against the map."""
    check_move(row.status, to_state)
    return Move(
        execution_id=row.id,
        from_state=WorkflowState(row.status),
        to_state=WorkflowState(to_state),
        reason=reason,
        metadata=metadata,
        seq=row.seq,
    )
