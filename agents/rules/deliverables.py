"""The documents that the rules write: work orders, briefs, outlines, answer drafts. They quote and arrange, no more."""

from collections.abc import Callable, Sequence

from agents.role_agent import Brief, Unfinished
from agents.rules.document import Document, bullets
from agents.rules.quoting import block, code, inline
from agents.rules.sources import Sources
from agents.rules.test_cases import write_test_plan
from delegation import Deliverable, SubtaskKind

__all__ = ["deliver"]

_NO_CODE = "Written by rules from the words of the task: it orders the work and contains no code."


def deliver(brief: Brief) -> Deliverable:
    """Write the deliverable that the subtask's kind asks for."""
    return _WRITERS[brief.subtask.kind](brief)


def _opened(brief: Brief, name: str, remark: str = _NO_CODE) -> Document:
    """Start a document with what every one of them begins with."""
    subtask, task = brief.subtask, brief.task
    document = Document(f"{name} {inline(subtask.id, 40)}: “{inline(subtask.title, 160)}”")
    document.paragraph(remark)
    facts = [
        f"- Task: “{inline(task.title)}”",
        f"- Type: {brief.requirements.type.value}; priority: {subtask.priority.value}; area: {subtask.area or 'none'}",
        f"- For: {inline(brief.member.name, 80)} ({brief.member.role.value})",
        f"- Purpose: {inline(subtask.description, 400)}" if subtask.description else "",
        f"- Attempt: {brief.attempt}" if brief.attempt > 1 else "",
    ]
    document.section("What this is for", [fact for fact in facts if fact], empty="", share=2_500)
    return document


def _heard(brief: Brief, document: Document) -> None:
    """Say, finding by finding, where this document now answers it, and quote what people said."""
    lines = []
    for finding in brief.findings:
        known = finding.criterion in brief.subtask.criteria
        where = "the criterion is listed below" if known else "taken up in this version"
        if finding.criterion and not known:
            where = "the criterion is not one of this subtask's; the plan has to give it to a subtask"
        place = f" at {code(finding.place)}" if finding.place else ""
        better = f" It was suggested: “{inline(finding.suggestion)}”." if finding.suggestion else ""
        lines.append(f"- “{inline(finding.message)}”{place} ({finding.severity}): {where}.{better}")
    document.section("Answers to findings", lines, empty="", share=2_500)
    document.section("What was made of it before", list(map(_left, brief.so_far)), empty="", share=2_500)
    document.section("What people answered to questions", bullets(brief.answers), empty="", share=1_500)


def _left(one: Unfinished) -> str:
    """Say what a member left undone and why, and quote what it had made."""
    why = f": “{inline(one.note)}”" if one.note else ""
    told = f"- {inline(one.member_id, 80)} left it {one.status.value}{why}"
    if one.deliverable is None:
        return f"{told}; nothing was handed over."
    return f"{told}. So far, “{inline(one.deliverable.title, 160)}”:\n\n{block(one.deliverable.body, 1_000)}\n"


def _criteria(brief: Brief, document: Document, heading: str = "Criteria to meet") -> None:
    lines = [f"{number}. “{inline(text)}”" for number, text in enumerate(brief.subtask.criteria, start=1)]
    document.section(heading, lines, empty="No criterion of the task names this part.", share=5_000)


def _inputs(brief: Brief, document: Document) -> None:
    lines = []
    for subtask_id in brief.subtask.depends_on:
        given = brief.inputs.get(subtask_id)
        if given is None:
            lines.append(f"- {inline(subtask_id, 40)}: nothing was handed over.")
        else:
            named = ", ".join(code(one, 80) for one in given.interfaces[:5])
            lines.append(f"- {inline(subtask_id, 40)}: {inline(given.title, 160)}{f'; names {named}' if named else ''}")
    document.section("What it builds on", lines, empty="It depends on no other subtask.", share=1_500)


def _questions(brief: Brief, document: Document) -> None:
    lines = [f"- {inline(question)}" for question in brief.requirements.open_questions]
    document.section("Open questions", lines, empty="None were found.", share=2_000)


def _text(sources: Sources, document: Document) -> None:
    document.section(
        "What the text says", bullets(sources.passages, 600), empty="The task has no description.", share=3_000
    )


def _made(brief: Brief, kind: str, name: str, document: Document, interfaces: Sequence[str] = ()) -> Deliverable:
    return Deliverable(
        kind=kind,
        title=f"{name} {brief.subtask.id}: {brief.subtask.title}",
        body=document.text(),
        criteria=list(brief.subtask.criteria),
        interfaces=list(interfaces),
        open_questions=list(brief.requirements.open_questions),
    )


def _work_order(brief: Brief) -> Deliverable:
    sources = Sources(brief)
    document = _opened(brief, "Work order")
    _heard(brief, document)
    _criteria(brief, document)
    _interfaces(sources, document)
    _steps(sources, document)
    _text(sources, document)
    document.section("Code and traces in the text", [block(one.text, 1_000) for one in sources.samples], empty="")
    _inputs(brief, document)
    _questions(brief, document)
    return _made(brief, "work_order", "Work order", document, sources.interfaces)


def _interfaces(sources: Sources, document: Document) -> None:
    lines = [f"- {code(name)}" for name in sources.interfaces]
    document.section("Interfaces that the task names", lines, empty="The text names none.", share=2_000)


def _steps(sources: Sources, document: Document) -> None:
    lines = [f"{number}. “{inline(step.text)}”" for number, step in enumerate(sources.steps, start=1)]
    document.section("Steps that the text gives", lines, empty="The text gives no steps.", share=2_500)


def _design(brief: Brief) -> Deliverable:
    sources = Sources(brief)
    document = _opened(brief, "Design brief", "Written by rules from the words of the task: a brief, no drawing.")
    _heard(brief, document)
    _criteria(brief, document, "What the design has to allow")
    _interfaces(sources, document)
    _steps(sources, document)
    _text(sources, document)
    _inputs(brief, document)
    _questions(brief, document)
    return _made(brief, "design", "Design brief", document, sources.interfaces)


def _documentation(brief: Brief) -> Deliverable:
    sources = Sources(brief)
    document = _opened(brief, "Documentation outline", "Written by rules from the words of the task: an outline.")
    _heard(brief, document)
    changed = bullets(criterion.text for criterion in brief.requirements.criteria)
    document.section("What readers have to learn", changed, empty="Nothing is stated.", share=4_000)
    _criteria(brief, document, "Criteria about the documentation")
    _interfaces(sources, document)
    _text(sources, document)
    _inputs(brief, document)
    _questions(brief, document)
    return _made(brief, "documentation", "Documentation outline", document, sources.interfaces)


def _answer(brief: Brief) -> Deliverable:
    sources = Sources(brief)
    remark = "A draft by rules: it sets out the question and what the text gives; the rules know nothing beyond it."
    document = _opened(brief, "Answer draft", remark)
    _heard(brief, document)
    document.section("The question", bullets([brief.task.title, *sources.questions]), empty="", share=2_500)
    _text(sources, document)
    _steps(sources, document)
    document.section("Code and traces in the text", [block(one.text, 1_000) for one in sources.samples], empty="")
    _interfaces(sources, document)
    _criteria(brief, document, "When it counts as answered")
    unknown = ["- The answer itself, as far as it is not in the text above: someone who knows has to give it."]
    unknown += [f"- {inline(question)}" for question in brief.requirements.open_questions]
    document.section("What is unknown", unknown, empty="", share=2_000)
    return _made(brief, "answer", "Answer draft", document, sources.interfaces)


def _test_plan(brief: Brief) -> Deliverable:
    document = _opened(brief, "Test plan", "Written by rules from the criteria: a plan of tests, no test code.")
    _heard(brief, document)
    write_test_plan(brief, document)
    _inputs(brief, document)
    _questions(brief, document)
    covered = [case.criterion for case in brief.plan.test_cases]
    made = _made(brief, "test_plan", "Test plan", document)
    return made.model_copy(update={"criteria": list(dict.fromkeys(covered))})


_WRITERS: dict[SubtaskKind, Callable[[Brief], Deliverable]] = {
    SubtaskKind.ANALYSIS: _work_order,
    SubtaskKind.DESIGN: _design,
    SubtaskKind.IMPLEMENTATION: _work_order,
    SubtaskKind.TEST: _test_plan,
    SubtaskKind.DOCUMENTATION: _documentation,
    SubtaskKind.DEPLOYMENT: _work_order,
    SubtaskKind.ANSWER: _answer,
}
