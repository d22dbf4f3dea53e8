"""The summary of an execution: everything that a person or a program wants to know of it, as JSON values."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row

from graph.budget import told_spending
from graph.lifecycle import FINAL_STATES, WorkflowState, progress_of
from graph.metrics import workflow_metrics
from graph.state import state_after
from persistence import Dossier, lease

__all__ = ["summary_of", "transition_json"]


def summary_of(dossier: Dossier, *, is_driven: bool | None = None) -> dict[str, Any]:
    """Return the summary of what the database knows of an execution.

    Work is in progress only while somebody drives the execution, whatever was noted of its beginning. ``is_driven``
    is for who knows that; else the lease tells.
    """
    row = dossier.execution
    is_driven = lease.holder(row) is not None if is_driven is None else is_driven
    history = [{"state": WorkflowState.PENDING.value, "timestamp": row.started_at}]
    history += [{"state": one.to_state, "timestamp": one.at} for one in dossier.transitions]
    return {
        "execution_id": str(row.id),
        "task": {"id": str(dossier.facts.task_id)} | dossier.facts.task.model_dump(mode="json"),
        "status": row.status,
        "progress_percentage": progress_of(row.status, row.origin_state),
        "started_at": row.started_at.isoformat(),
        "transitions": [transition_json(one) for one in dossier.transitions],
        "subtasks": _subtasks(dossier, is_driven=is_driven),
        "gates": [gate.model_dump(mode="json") for gate in dossier.gates],
        "metrics": workflow_metrics(history) | told_spending(dossier.usage, row.settings),
        "result": row.result,
        "error_message": row.error_message,
    }


def transition_json(one: Any) -> dict[str, Any]:
    """Return a transition's row as JSON values."""
    return {
        "seq": one.seq,
        "from_state": one.from_state,
        "to_state": one.to_state,
        "reason": one.reason,
        "metadata": one.metadata,
        "at": one.at.isoformat(),
    }


def _subtasks(dossier: Dossier, *, is_driven: bool) -> list[dict[str, Any]]:
    since = state_after(dossier.transitions)["since"]
    newest = {row.subtask_id: row for row in dossier.outcomes if row.round >= since}
    has_ended = dossier.execution.status in FINAL_STATES
    shown, plan = [], dossier.execution.plan or {}
    for subtask in plan.get("subtasks", []):
        done, assigned = newest.get(subtask["id"]), dossier.assignments.get(subtask["id"])
        member = done.member_id if done else assigned.member_id if assigned else None
        begun = assigned.started_at if assigned and (is_driven or has_ended) else None
        status = _status(done, begun, has_ended=has_ended)
        shown.append(_shown(subtask, member, status, done.deliverable if done else None))
    return shown + [_shown(one["subtask"], None, "cancelled", None) for one in plan.get("cancelled", [])]


def _shown(subtask: dict[str, Any], member: str | None, status: str, deliverable: Any) -> dict[str, Any]:
    kept = {name: subtask[name] for name in ("id", "title", "role", "depends_on", "criteria", "effort")}
    return kept | {"member": member, "status": status, "deliverable": deliverable}


def _status(done: Row[Any] | None, begun: datetime | None, *, has_ended: bool) -> str:
    """Return how a subtask stands: by its newest outcome, or by whether its member has begun since."""
    if begun and (done is None or begun > done.at):
        return "cancelled" if has_ended else "in_progress"
    if done is not None:
        return str(done.status)
    return "cancelled" if has_ended else "pending"
