"""The review: who reviews, what is asked, what was met of what was asked before, and to whom findings go."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from delegation import (
    ChangeStats,
    Finding,
    GateKind,
    Message,
    MessageType,
    NewGate,
    Plan,
    Requirements,
    Review,
    ReviewRequest,
    ReviewVerdict,
    Role,
    SquadMember,
)
from delegation.eligibility import role_distance
from delegation.review import settled_review, with_touched_tests
from graph.consulting import consult, takes
from graph.groundwork import Groundwork, speaker_for
from graph.lifecycle import WorkflowState
from graph.site import site_of
from graph.step import Decided, Step
from graph.verdicts import latest_work, send_back
from persistence import Done

__all__ = ["REVIEWED", "addressed", "review", "reviewer_among"]

REVIEWED = "reviewed"
"""Where the log's move out of the review has the commit that was reviewed."""


async def review(step: Step) -> Decided:
    """Have the tech lead check the deliverables; what was found wanting goes back to those who made it."""
    ground = Groundwork(step)
    plan, requirements = await ground.plan(), await ground.requirements()
    work = await latest_work(step)
    site = await site_of(step)
    reviewed = {REVIEWED: await site.workspace.head()} if site else {}
    authors = await site.workspace.authors() if site else set()
    reviewer = reviewer_among(step.facts.squad.members, work.values(), authors)
    if reviewer is None:
        decided = _nobody_may(ground, authors | {done.member_id for done in work.values()})
        decided.metadata |= reviewed
        return decided
    touched = await site.touched_tests() if site else {}
    request = _request(step, reviewer, plan, requirements, work).model_copy(update={"touched_tests": touched})
    ground.effects.messages += _asked(step, request, plan)
    lead = step.roster.tech_lead
    outcomes = {subtask_id: done.outcome for subtask_id, done in work.items()}
    offered = {"request": request}
    found = await consult(step, lead, "review", plan, requirements, outcomes, returns=Review, offered=offered)
    found = settled_review(found, request.earlier, was_asked=takes(lead.review, "request"))
    found = with_touched_tests(found, touched)
    findings = addressed(await site.addressed(found.findings) if site else found.findings, work)
    text = found.summary or _summed_up(found)
    if found.verdict is ReviewVerdict.CHANGES_REQUESTED:
        decided = send_back(step, ground, plan, findings, text)
        findings = ground.delta["findings"]
    else:
        decided = ground.decided(WorkflowState.TESTING, text)
    found = found.model_copy(update={"findings": findings})
    decided.effects.messages += _answered(step, request, found, text)
    decided.metadata |= {"verdict": found.verdict.value, "reviewer": reviewer} | reviewed
    return decided


def reviewer_among(members: Sequence[SquadMember], work: Iterable[Done], authors: Collection[str] = ()) -> str | None:
    """Return who reviews: a tech lead, or else who stands in for one, and before all somebody who wrote none of it.

    Where the work is in a repository, whoever committed any of it may not review (``authors``, whatever became of
    their commits since); None where nobody else may. Without one there is no code to be partial about: then somebody
    who wrote a document may, where everybody did.
    """
    made = [done for done in work if done.outcome.deliverable]
    committed = {done.member_id for done in made if done.outcome.deliverable and done.outcome.deliverable.change}
    committed |= set(authors)
    wrote = {done.member_id for done in made}
    able = [
        (one.id in wrote, distance, at, one.id)
        for at, one in enumerate(members)
        if (distance := role_distance(one.role, Role.TECH_LEAD)) is not None and one.id not in committed
    ]
    if able:
        return min(able)[-1]
    return None if committed else Role.TECH_LEAD.value


def addressed(findings: Sequence[Finding], work: Mapping[str, Done]) -> list[Finding]:
    """Return the findings, those about a file each with the subtask that changed it, where that is one alone."""
    wrote: dict[str, list[str]] = {}
    for subtask_id, done in work.items():
        change = done.outcome.deliverable.change if done.outcome.deliverable else None
        for file in change.files if change else ():
            wrote.setdefault(file, []).append(subtask_id)
    found = []
    for finding in findings:
        writers = wrote.get(finding.file or "", [])
        is_known = finding.subtask_id in writers or (finding.subtask_id is not None and not writers)
        to = finding.subtask_id if is_known or len(writers) != 1 else writers[0]
        found.append(finding.model_copy(update={"subtask_id": to}))
    return found


def _request(
    step: Step, reviewer: str, plan: Plan, requirements: Requirements, work: Mapping[str, Done]
) -> ReviewRequest:
    changes = [change for done in work.values() if (made := done.outcome.deliverable) and (change := made.change)]
    stats = ChangeStats(
        files=len({file for change in changes for file in change.files}),
        insertions=sum(change.insertions for change in changes),
        deletions=sum(change.deletions for change in changes),
    )
    return ReviewRequest(
        round=step.round,
        reviewer=reviewer,
        authors={subtask_id: done.member_id for subtask_id, done in work.items()},
        criteria=list(dict.fromkeys(criterion.text for criterion in requirements.criteria)),
        test_cases=plan.test_cases,
        change=stats if changes else None,
        earlier=[finding for finding in step.state.get("findings") or [] if finding.id],
    )


def _asked(step: Step, request: ReviewRequest, plan: Plan) -> list[Message]:
    """Return the message by which the reviewer is asked; none where there is nothing to review."""
    subtasks = [subtask.id for subtask in plan.subtasks if subtask.id in request.authors]
    if not subtasks:
        return []
    change = request.change
    size = f", {change.files} files, +{change.insertions} -{change.deletions}" if change else ""
    again = f"; {len(request.earlier)} findings were to be met" if request.earlier else ""
    metadata = {
        "subtask_ids": subtasks,
        "round": request.round,
        "criteria": request.criteria,
        "test_cases": [case.id for case in request.test_cases],
        "change": change and change.model_dump(),
        "earlier": [finding.id for finding in request.earlier],
    }
    said = Message(
        execution_id=step.execution_id,
        sender=speaker_for(step.facts.squad.members, Role.PROJECT_MANAGER),
        recipient=request.reviewer,
        type=MessageType.CODE_REVIEW_REQUEST,
        content=f"Please review the work on {len(subtasks)} subtasks{size}{again}.",
        metadata=metadata,
    )
    return [said]


def _answered(step: Step, request: ReviewRequest, found: Review, text: str) -> list[Message]:
    """Return the verdict for everybody, and what is sent back for each member who has to mend something."""
    said = [_response(step, request, text, found)]
    if found.verdict is not ReviewVerdict.CHANGES_REQUESTED:
        return said
    to_mend: dict[str, list[Finding]] = {}
    for finding in found.findings:
        if author := request.authors.get(finding.subtask_id or ""):
            to_mend.setdefault(author, []).append(finding)
    for author, findings in to_mend.items():
        own = found.model_copy(update={"findings": findings, "checks": []})
        said.append(_response(step, request, "\n".join(map(_told, findings)), own, author))
    return said


def _response(step: Step, request: ReviewRequest, text: str, found: Review, recipient: str | None = None) -> Message:
    data = found.model_dump(mode="json", include={"verdict", "findings", "checks"})
    return Message(
        execution_id=step.execution_id,
        sender=request.reviewer,
        recipient=recipient,
        type=MessageType.CODE_REVIEW_RESPONSE,
        content=text,
        metadata=data | {"round": request.round},
    )


def _told(finding: Finding) -> str:
    place = f" {finding.place}:" if finding.place else ""
    better = f" Suggestion: {finding.suggestion}" if finding.suggestion else ""
    return f"{finding.id} ({finding.severity}) {finding.subtask_id}:{place} {finding.message}{better}"


def _summed_up(found: Review) -> str:
    count = len(found.findings)
    return found.verdict.value.replace("_", " ") + (f", {count} finding{'s' * (count != 1)}" if count else "")


def _nobody_may(ground: Groundwork, wrote: Collection[str]) -> Decided:
    """Ask a human where everybody who may review has written part of it."""
    question = "Everybody who may review has written part of the work. Has a human reviewed it?"
    gate = NewGate(
        kind=GateKind.ESCALATION,
        question=question,
        reason="nobody may review their own work",
        details=f"Written by {', '.join(sorted(wrote))}. Approve, or respond, once it is reviewed, and it goes on to "
        "the tests; reject to give the task up.",
        attempted_solutions=["looked for a tech lead, or a stand-in, who wrote none of it"],
        next_state=WorkflowState.TESTING.value,
    )
    ground.effects.gates.append(gate)
    return ground.decided(WorkflowState.BLOCKED, "nobody may review their own work")
