"""What the deliverables claim, traced back to the criteria: the one fact on which review and test verdicts rest."""

from collections.abc import Iterable, Mapping

from delegation import Deliverable, Finding, Outcome, OutcomeStatus, Plan, Subtask, SubtaskKind

__all__ = ["delivered", "serving", "testers", "uncovered"]


def delivered(outcomes: Mapping[str, Outcome], subtask_id: str) -> Deliverable | None:
    """Return a subtask's deliverable if the subtask is done and the deliverable says anything."""
    outcome = outcomes.get(subtask_id)
    if outcome is None or outcome.status is not OutcomeStatus.DONE or outcome.deliverable is None:
        return None
    return outcome.deliverable if outcome.deliverable.body.strip() else None


def serving(plan: Plan, criterion: str) -> list[Subtask]:
    """Return the subtasks, the tester's aside, that are there for the criterion."""
    return [one for one in plan.subtasks if criterion in one.criteria and one.kind is not SubtaskKind.TEST]


def testers(plan: Plan) -> list[Subtask]:
    """Return the subtasks whose deliverable is the test plan."""
    return [one for one in plan.subtasks if one.kind is SubtaskKind.TEST]


def uncovered(subtasks: Iterable[Subtask], criterion: str, outcomes: Mapping[str, Outcome], what: str) -> list[Finding]:
    """Return a finding for each of the subtasks whose deliverable is there but does not take the criterion up."""
    found = []
    for subtask in subtasks:
        deliverable = delivered(outcomes, subtask.id)
        if deliverable is not None and criterion not in deliverable.criteria:
            message = f"the {what} of {subtask.id} does not take up the criterion"
            found.append(Finding(subtask_id=subtask.id, criterion=criterion, message=message))
    return found
