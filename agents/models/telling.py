"""What a prompt is about, told as data: tasks, requirements, plans, members, outcomes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents.member_context import ContextKind
from agents.models.judging import numbered
from agents.models.marking import data, left_out
from agents.models.prompting import joined
from agents.role_agent import Brief, Unfinished
from agents.surroundings import Surroundings
from delegation import (
    BoardStatus,
    Deliverable,
    Finding,
    Outcome,
    Plan,
    Requirements,
    ReviewRequest,
    Schedule,
    SquadMember,
    Subtask,
    SubtaskKind,
    Task,
)

__all__ = [
    "told_board",
    "told_brief",
    "told_context",
    "told_outcomes",
    "told_plan",
    "told_request",
    "told_requirements",
    "told_schedule",
    "told_task",
    "told_test_cases",
    "wanted",
]

_BODY = 8_000
_INPUT = 4_000
_ALL_BODIES = 60_000
_CONTEXT_TOKENS = 4_000


def told_task(task: Task) -> str:
    """Tell the task as its author worded it."""
    facts = [f"priority: {task.priority.value}"]
    facts += [f"labels: {', '.join(task.labels)}"] if task.labels else []
    facts += [f"deadline: {task.deadline.isoformat()}"] if task.deadline else []
    stated = "\n".join(f"{number}: {text}" for number, text in numbered(task.acceptance_criteria).items())
    return joined(
        [
            data("title of the task", task.title),
            data("description of the task", task.description, most=40_000) if task.description else "",
            data("stated criteria of the task", stated) if stated else "The task states no criteria in a list.",
            data("facts of the task", "\n".join(facts)),
        ]
    )


def told_requirements(requirements: Requirements) -> str:
    """Tell what was read out of the task, the criteria with their numbers."""
    shown = requirements.model_dump(mode="json", exclude={"criteria", "evidence"}, exclude_defaults=True)
    return joined(
        [data("the criteria", _criteria(one.text for one in requirements.criteria)), data("requirements", _json(shown))]
    )


def told_plan(plan: Plan, requirements: Requirements | None = None) -> str:
    """Tell the plan; criteria are named by their numbers among the requirements' or, without these, the plan's."""
    known = _numbers(plan, requirements)
    head = "" if requirements else data("the criteria", _criteria(known))
    return joined([head, data("the plan", "\n".join(_json(_subtask(one, known)) for one in plan.subtasks))])


def told_test_cases(plan: Plan, requirements: Requirements | None = None) -> str:
    """Tell the test plan."""
    known = _numbers(plan, requirements)
    lines = []
    for case in plan.test_cases:
        shown = case.model_dump(mode="json", exclude_none=True)
        lines.append(_json(shown | {"criterion": known.get(case.criterion, case.criterion)}))
    return data("the test cases", "\n".join(lines) or "none")


def told_schedule(proposal: Schedule, members: Sequence[SquadMember]) -> str:
    """Tell who would do what when, in hours from now, and who there is."""
    lines = [_json(one.model_dump(mode="json")) for one in proposal.assignments]
    people = [_json(one.model_dump(mode="json", exclude_defaults=True)) for one in members]
    facts = {"hours in all": proposal.makespan, "critical path": proposal.critical_path}
    return joined(
        [
            data("the proposed assignments", "\n".join(lines) or "none"),
            data("the schedule", _json(facts)),
            data("the members", "\n".join(people)),
        ]
    )


def told_outcomes(plan: Plan, outcomes: Mapping[str, Outcome], *, bodies: bool = True) -> str:
    """Tell how each subtask ended, with what was delivered."""
    known, parts, room = _numbers(plan, None), [], _ALL_BODIES
    for subtask in plan.subtasks:
        outcome = outcomes.get(subtask.id)
        if outcome is None:
            parts.append(data("a subtask", _json({"id": subtask.id, "status": "it has not ended"})))
            continue
        shown = {"id": subtask.id, "status": outcome.status.value, "note": outcome.note, "question": outcome.question}
        text = _json({name: value for name, value in shown.items() if value})
        if outcome.deliverable and bodies:
            most = min(_BODY, max(room, 500))
            text += f"\n{_deliverable(outcome.deliverable, known, most)}"
            room -= min(len(outcome.deliverable.body), most)
        parts.append(data("a subtask", text))
    return joined(parts)


def told_brief(brief: Brief) -> str:
    """Tell a member what it is to do, and what it builds on."""
    known = _numbers(brief.plan, brief.requirements)
    own = "\n".join(f"{known.get(text, '?')}: {text}" for text in wanted(brief))
    plan = "\n".join(_json(_subtask(one, known)) for one in brief.plan.subtasks)
    inputs = [
        data("what was handed over", f"{_json({'by': one})}\n{_deliverable(deliverable, known, _INPUT)}")
        for one, deliverable in brief.inputs.items()
    ]
    return joined(
        [
            told_task(brief.task),
            data("the whole plan", plan),
            data("your subtask", _json(_subtask(brief.subtask, known))),
            data("the criteria of your subtask", own) if own else "No criterion of the task names your subtask.",
            told_test_cases(brief.plan, brief.requirements) if brief.plan.test_cases else "",
            *inputs,
            data("what has to be mended", _findings(brief.findings)) if brief.findings else "",
            data("what humans answered about it", _answers(brief)) if brief.answers else "",
            *(data("what was left undone", _left(one)) for one in brief.so_far),
            data("you", _json(brief.member.model_dump(mode="json", exclude_defaults=True))),
        ]
    )


def told_request(request: ReviewRequest) -> str:
    """Tell a reviewer who wrote what, which tests were touched, and what the round before was sent back for."""
    earlier = [_json(one.model_dump(mode="json", exclude_none=True)) for one in request.earlier if one.id]
    return joined(
        [
            data("who did which subtask", _json(request.authors)),
            data("existing tests that were touched", _json(request.touched_tests)) if request.touched_tests else "",
            data("the problems of the review before", "\n".join(earlier)) if earlier else "",
        ]
    )


def told_board(board: BoardStatus) -> str:
    """Tell how the board stands."""
    return data("how the board stands", _json(board.model_dump(mode="json", exclude_defaults=True)))


async def told_context(around: Surroundings) -> str:
    """Tell what the member should know besides: the conversation, decisions, similar tasks, the files that matter."""
    if around.context is None:
        return ""
    found = await around.context(max_tokens=_CONTEXT_TOKENS)
    others = [part for part in found.parts if part.kind is not ContextKind.TASK]  # the task itself is told anyway
    return joined(data(f"context: {part.kind.value}", "\n".join(part.lines)) for part in others)


def wanted(brief: Brief) -> list[str]:
    """Return the criteria that the deliverable has to take up: the subtask's; a test plan's are those of all cases."""
    cases = [case.criterion for case in brief.plan.test_cases] if brief.subtask.kind is SubtaskKind.TEST else []
    return list(dict.fromkeys([*brief.subtask.criteria, *cases]))


def _numbers(plan: Plan, requirements: Requirements | None) -> dict[str, str]:
    """Return each criterion's number by its text."""
    if requirements is not None:
        texts = [one.text for one in requirements.criteria]
    else:
        texts = [text for subtask in plan.subtasks for text in subtask.criteria]
        texts += [case.criterion for case in plan.test_cases]
    return {text: number for number, text in numbered(texts).items()}


def _criteria(texts: Iterable[str]) -> str:
    return "\n".join(f"{number}: {text}" for number, text in numbered(list(texts)).items()) or "none"


def _subtask(subtask: Subtask, known: Mapping[str, str]) -> dict[str, Any]:
    shown = subtask.model_dump(mode="json", exclude_defaults=True)
    return shown | {"criteria": [known.get(text, text) for text in subtask.criteria]}


def _deliverable(deliverable: Deliverable, known: Mapping[str, str], most: int) -> str:
    shown = deliverable.model_dump(mode="json", exclude={"body"}, exclude_defaults=True)
    shown["criteria"] = [known.get(text, text) for text in deliverable.criteria]
    return f"{_json(shown)}\n{deliverable.body[:most]}{left_out(deliverable.body, most)}"


def _answers(brief: Brief) -> str:
    return "\n".join(f"{asked}\n-> {answer}" for asked, answer in brief.exchanges)


def _left(one: Unfinished) -> str:
    made = f"\n{one.deliverable.body[:_INPUT]}" if one.deliverable else ""
    return f"{_json({'by': one.member_id, 'status': one.status.value, 'note': one.note})}{made}"


def _findings(findings: Sequence[Finding]) -> str:
    return "\n".join(_json(one.model_dump(mode="json", exclude_none=True)) for one in findings)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
