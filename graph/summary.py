"""The summary of an execution: everything that a person or a program wants to know of it, as JSON values."""

from typing import Any

from delegation import OutcomeStatus, Plan
from graph.lifecycle import FINAL_STATES, WorkflowState, progress_of
from graph.metrics import workflow_metrics
from persistence import Dossier

__all__ = ["summary_of", "transition_json"]

_SHOWN = {
    OutcomeStatus.DONE: "done",
    OutcomeStatus.REFUSED: "refused",
    OutcomeStatus.BLOCKED: "blocked",
    OutcomeStatus.FAILED: "failed",
}


def summary_of(dossier: Dossier) -> dict[str, Any]:
    """Return the summary of what the database knows of an execution."""
    row = dossier.execution
    history = [{"state": WorkflowState.PENDING.value, "timestamp": row.started_at}]
    history += [{"state": one.to_state, "timestamp": one.at} for one in dossier.transitions]
    return {
        "execution_id": str(row.id),
        "task": {"id": str(dossier.facts.task_id)} | dossier.facts.task.model_dump(mode="json"),
        "status": row.status,
        "progress_percentage": progress_of(row.status, row.origin_state),
        "started_at": row.started_at.isoformat(),
        "transitions": [transition_json(one) for one in dossier.transitions],
        "subtasks": _subtasks(dossier),
        "gates": [gate.model_dump(mode="json") for gate in dossier.gates],
        "metrics": workflow_metrics(history),
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


def _subtasks(dossier: Dossier) -> list[dict[str, Any]]:
    if not dossier.execution.plan:
        return []
    newest = {done.subtask_id: done for done in dossier.work}
    shown = []
    for subtask in Plan.model_validate(dossier.execution.plan).subtasks:
        done, assigned = newest.get(subtask.id), dossier.assignments.get(subtask.id)
        member = done.member_id if done else assigned.member_id if assigned else None
        deliverable = done.outcome.deliverable if done else None
        shown.append(
            {
                "id": subtask.id,
                "title": subtask.title,
                "role": subtask.role.value if subtask.role else None,
                "member": member,
                "status": _status(subtask.id, dossier),
                "depends_on": subtask.depends_on,
                "criteria": subtask.criteria,
                "effort": subtask.effort,
                "deliverable": deliverable.model_dump(mode="json") if deliverable else None,
            }
        )
    return shown


def _status(subtask_id: str, dossier: Dossier) -> str:
    """Return how a subtask stands: by its newest outcome, or by whether its member has begun since."""
    done = next((one for one in reversed(dossier.work) if one.subtask_id == subtask_id), None)
    assigned = dossier.assignments.get(subtask_id)
    begun = assigned is not None and assigned.started_at is not None
    ended = dossier.execution.status in FINAL_STATES
    if begun and assigned and assigned.started_at and (done is None or assigned.started_at > done.at):
        return "cancelled" if ended else "in_progress"
    if done is not None:
        return _SHOWN[done.outcome.status]
    return "cancelled" if ended else "pending"
