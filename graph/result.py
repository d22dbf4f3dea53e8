"""What came of a task: who delivered what, and a check list in which every line has its evidence or says that none."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.workspace import Workspace
from delegation import Deliverable, Outcome, Plan, Requirements, Role, SubtaskKind, Task, TestReport, TestRun

__all__ = ["result_of", "workspace_result"]


async def workspace_result(workspace: Workspace, run: TestRun | None) -> dict[str, Any]:
    """Return what came of the work in a repository, as JSON values: branch, commits, size, and the test's run."""
    head = await workspace.head()
    change = await workspace.change_between(workspace.base, head)
    commits = [
        {
            "id": one.id,
            "subject": one.subject,
            "author": one.author,
            "member": one.member_id,
            "subtask_id": one.mark.subtask if one.mark else None,
        }
        for one in await workspace.commits()
    ]
    return {
        "repository": str(workspace.repository.top),
        "branch": workspace.branch,
        "base": workspace.base,
        "head": head,
        "commits": commits,
        "files": change.files,
        "insertions": change.insertions,
        "deletions": change.deletions,
        "tests": run.model_dump(mode="json") if run else None,
    }


def note_on(foreign: Sequence[Role], thinking: Sequence[Role] = ()) -> str:
    """Return who worked: what rule-based agents write is no code; what others did is for their owner to say."""
    others = (("Own agents", foreign), ("Models", thinking))
    told = [f"{who} worked as {', '.join(role.value for role in roles)}." for who, roles in others if roles]
    for who, roles in others:
        if len(roles) == len(Role):
            return f"{who} worked in every role."
    if len(foreign) + len(thinking) < len(Role):
        rest = " of the other roles" if told else ""
        told.append(f"The rule-based agents{rest} wrote plans and work orders, no code.")
    return " ".join(told)


def result_of(
    task: Task,
    requirements: Requirements,
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    report: TestReport,
    foreign: Sequence[Role] = (),
    thinking: Sequence[Role] = (),
) -> dict[str, Any]:
    """Return the result of a task that passed its tests, as JSON values."""
    delivered = {
        subtask_id: outcome.deliverable for subtask_id, outcome in outcomes.items() if outcome.deliverable is not None
    }
    done = sum(subtask.id in delivered for subtask in plan.subtasks)
    return {
        "summary": f"{task.title}: {done} of {len(plan.subtasks)} subtasks delivered",
        "note": note_on(foreign, thinking),
        "deliverables": [
            {"subtask_id": subtask.id, "title": deliverable.title, "kind": deliverable.kind}
            for subtask in plan.subtasks
            if (deliverable := delivered.get(subtask.id))
        ],
        "checklist": [
            *_criteria(requirements, report),
            _tests(report),
            _documentation(plan, delivered),
        ],
        "open_questions": requirements.open_questions,
    }


def _criteria(requirements: Requirements, report: TestReport) -> list[dict[str, Any]]:
    results = {result.criterion: result for result in report.results}
    return [
        {
            "item": criterion.text,
            "met": results[criterion.text].passed if criterion.text in results else None,
            "evidence": results[criterion.text].evidence if criterion.text in results else None,
        }
        for criterion in requirements.criteria
    ]


def _tests(report: TestReport) -> dict[str, Any]:
    passed = sum(result.passed for result in report.results)
    by = report.run.told() if report.run else "by traceability; no code was run"
    evidence = f"{passed} of {len(report.results)} test cases passed, {by}"
    return {"item": "Tests", "met": report.passed, "evidence": evidence if report.results else None}


def _documentation(plan: Plan, delivered: Mapping[str, Deliverable]) -> dict[str, Any]:
    ids = [one.id for one in plan.subtasks if one.kind == SubtaskKind.DOCUMENTATION and one.id in delivered]
    evidence = ", ".join(f"{one}: {delivered[one].title}" for one in ids) or None
    return {"item": "Documentation", "met": True if ids else None, "evidence": evidence}
