"""The review in a run: who reviews, what goes back to whom, that each finding is met, and what only comments do."""

from datetime import UTC, datetime
from typing import Any

import pytest
from scripted import ScriptedAgent, all_roles, done

from delegation import (
    CodeChange,
    Deliverable,
    Finding,
    FindingCheck,
    MessageType,
    Outcome,
    OutcomeStatus,
    Review,
    Role,
    Squad,
    SquadMember,
    Task,
)
from graph import RunSettings, TaskOrchestrator
from graph.reviewing import addressed, reviewer_among
from persistence import Done

TASK = Task(
    title="Implement user login",
    description="An API `POST /api/login`, a login form in the page.",
    acceptance_criteria=["A wrong password is refused", "The form shows the error"],
)
REQUEST, RESPONSE = MessageType.CODE_REVIEW_REQUEST, MessageType.CODE_REVIEW_RESPONSE


class Reviewer(ScriptedAgent):
    """Reviews by a list of scripts, one a round; the last one goes on for ever."""

    def __init__(self, *scripts: Any) -> None:
        super().__init__(Role.TECH_LEAD)
        self.scripts = list(scripts)
        self.requests: list[Any] = []

    async def assess(self, task, requirements):
        return requirements

    async def estimate(self, plan, requirements):
        return plan

    async def review(self, plan, requirements, outcomes, *, request=None):
        self.requests.append(request)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return script(plan, request)


def approves(_plan, request):
    met = [FindingCheck(finding_id=one.id, met=True) for one in request.earlier]
    return Review(approved=True, checks=met, summary="good")


def first_of(plan, role: Role):
    return next(one for one in plan.subtasks if one.role == role)


async def run(database, store, agents: Any, *, squad: Squad | None = None, **settings: Any):
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))
    stored = await store(database, task=TASK, squad=squad)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    summary = await orchestrator.run(execution_id)
    said = await orchestrator.message_bus.get_messages(execution_id=execution_id, types=[REQUEST, RESPONSE])
    return orchestrator, summary, said


async def test_findings_go_to_who_did_it_who_alone_does_it_again_and_each_is_checked(database, store):
    def sends_back(plan, _request):
        finding = Finding(
            subtask_id=first_of(plan, Role.BACKEND_DEVELOPER).id,
            file="login.py",
            line=3,
            severity="medium",
            message="say why",
            suggestion="in the docstring",
        )
        return Review(verdict="changes_requested", findings=[finding], summary="wanting")

    agents = all_roles(_done)
    agents[Role.TECH_LEAD] = reviewer = Reviewer(sends_back, approves)
    _, summary, said = await run(database, store, agents)
    assert summary["status"] == "completed"
    again = [brief for agent in agents.values() for brief in agent.briefs if brief.attempt == 2]
    assert [(one.member.id, one.findings[0].id, one.findings[0].place) for one in again] == [
        ("backend_developer", "R1.1", "login.py:3")
    ]
    assert [one.id for one in reviewer.requests[1].earlier] == ["R1.1"]
    assert [(one.type, one.sender, one.recipient) for one in said] == [
        (REQUEST, "project_manager", "tech_lead"),
        (RESPONSE, "tech_lead", None),
        (RESPONSE, "tech_lead", "backend_developer"),
        (REQUEST, "project_manager", "tech_lead"),
        (RESPONSE, "tech_lead", None),
    ]
    asked, verdict, for_backend, asked_again, passed = said
    assert asked.metadata["criteria"] == TASK.acceptance_criteria
    assert sorted(asked.metadata["subtask_ids"]) == sorted(one["id"] for one in summary["subtasks"])
    assert asked.metadata["test_cases"] == ["T1", "T2"]
    assert (verdict.metadata["verdict"], verdict.metadata["findings"][0]["severity"]) == ("changes_requested", "medium")
    assert "login.py:3: say why Suggestion: in the docstring" in for_backend.content
    assert asked_again.metadata["earlier"] == ["R1.1"]
    assert passed.metadata["checks"] == [{"finding_id": "R1.1", "met": True, "note": ""}]
    moves = [one["metadata"] for one in summary["transitions"] if one["from_state"] == "reviewing"]
    assert moves == [
        {"verdict": "changes_requested", "reviewer": "tech_lead"},
        {"verdict": "approved", "reviewer": "tech_lead"},
    ]


async def _done(brief):
    return done(brief)


async def test_a_finding_that_is_not_met_comes_back_under_its_id_though_the_review_approves(database, store):
    def sends_back(plan, _request):
        return Review(approved=False, findings=[Finding(subtask_id=plan.subtasks[0].id, message="say why")])

    def approves_without_it(_plan, request):
        checks = [FindingCheck(finding_id=one.id, met=False, note="still not") for one in request.earlier]
        return Review(approved=True, checks=checks)

    def says_nothing(_plan, _request):
        return Review(approved=True)

    agents = all_roles(_done)
    agents[Role.TECH_LEAD] = Reviewer(sends_back, approves_without_it, says_nothing, approves)
    _, summary, _ = await run(database, store, agents)
    assert summary["status"] == "completed"
    again = [brief for agent in agents.values() for brief in agent.briefs if brief.attempt > 1]
    assert [(one.attempt, one.findings[0].id, one.findings[0].suggestion) for one in again] == [
        (2, "R1.1", None),
        (3, "R1.1", "still not"),
        (4, "R1.1", "the review does not say whether this was met"),
    ]


async def test_comments_send_nothing_back_and_are_kept(database, store):
    def comments(plan, _request):
        finding = Finding(subtask_id=plan.subtasks[0].id, message="a name could be better", severity="low")
        return Review(verdict="commented", findings=[finding])

    agents = all_roles(_done)
    agents[Role.TECH_LEAD] = Reviewer(comments)
    _, summary, said = await run(database, store, agents)
    assert summary["status"] == "completed"
    assert all(brief.attempt == 1 for agent in agents.values() for brief in agent.briefs)
    assert [one.metadata["findings"][0]["message"] for one in said if one.type == RESPONSE] == [
        "a name could be better"
    ]


def committing(brief) -> Outcome:
    change = CodeChange(commit="c0ffee", files=[f"{brief.subtask.id}.py", "shared.py"], insertions=3, deletions=1)
    made = Deliverable(kind="code", title="x", body="x", criteria=brief.subtask.criteria, change=change)
    return Outcome(status=OutcomeStatus.DONE, deliverable=made)


async def test_whoever_committed_does_not_review_and_where_nobody_else_may_a_human_is_asked(database, store):
    async def script(brief):
        return committing(brief) if brief.member.role != Role.TESTER else done(brief)

    lead = SquadMember(id="lea", name="Lea", role=Role.TECH_LEAD)
    tester = SquadMember(id="tess", name="Tess", role=Role.TESTER)
    agents = all_roles(script)
    agents[Role.TECH_LEAD] = reviewer = Reviewer(approves)
    reviewer.script = script
    alone = Squad(members=[lead, tester, SquadMember(id="pia", name="Pia", role=Role.PROJECT_MANAGER)])
    orchestrator, summary, _ = await run(database, store, agents, squad=alone)
    assert (summary["status"], reviewer.requests) == ("blocked", [])
    (gate,) = summary["gates"]
    assert gate["question"].startswith("Everybody who may review has written part of the work")
    assert "lea" in gate["details"]
    assert await orchestrator.answer(summary["execution_id"], gate["id"], decision="approve") == "testing"
    assert (await orchestrator.run(summary["execution_id"]))["status"] == "completed"


async def test_the_request_tells_the_size_of_the_change(database, store):
    async def script(brief):
        return committing(brief) if brief.member.role == Role.BACKEND_DEVELOPER else done(brief)

    agents = all_roles(script)
    agents[Role.TECH_LEAD] = Reviewer(approves)
    _, summary, (asked, _) = await run(database, store, agents)
    count = sum(one["member"] == "backend_developer" for one in summary["subtasks"])
    assert asked.metadata["change"] == {"files": count + 1, "insertions": 3 * count, "deletions": count}
    assert f"{count + 1} files, +{3 * count} -{count}" in asked.content


def ended(subtask_id: str, member_id: str, *files: str, made: bool = True) -> Done:
    change = CodeChange(commit="c", files=list(files), insertions=1, deletions=0) if files else None
    deliverable = Deliverable(kind="x", title="x", body="x", change=change) if made else None
    outcome = Outcome(status=OutcomeStatus.DONE, deliverable=deliverable)
    now = datetime.now(UTC)
    return Done(subtask_id, member_id, 1, 1, outcome, now, now)


def member(member_id: str, role: Role) -> SquadMember:
    return SquadMember(id=member_id, name=member_id, role=role)


LEA, LEO = member("lea", Role.TECH_LEAD), member("leo", Role.TECH_LEAD)
BEA, TESS = member("bea", Role.BACKEND_DEVELOPER), member("tess", Role.TESTER)


@pytest.mark.parametrize(
    ("squad", "work", "reviewer"),
    [
        ([BEA, LEA, LEO], [], "lea"),
        ([BEA, LEA, LEO], [ended("S1", "lea")], "leo"),
        ([BEA, LEA], [ended("S1", "lea")], "bea"),
        ([BEA, LEA], [ended("S1", "lea"), ended("S2", "bea")], "lea"),
        ([BEA, LEA], [ended("S1", "lea", made=False)], "lea"),
        ([TESS], [ended("S1", "tess")], "tech_lead"),
        ([BEA, LEA], [ended("S1", "lea", "a.py"), ended("S2", "bea")], "bea"),
        ([BEA, LEA], [ended("S1", "lea", "a.py"), ended("S2", "bea", "b.py")], None),
        ([TESS], [ended("S1", "tess", "a.py")], None),
    ],
)
def test_the_reviewer_is_whoever_wrote_none_of_it(squad, work, reviewer):
    assert reviewer_among(squad, work) == reviewer


def test_whoever_ever_committed_does_not_review_though_another_did_it_again():
    assert reviewer_among([BEA, LEA, LEO], [ended("S1", "bea", "a.py")], {"lea", "bea"}) == "leo"
    assert reviewer_among([BEA, LEA], [ended("S1", "bea", "a.py")], {"lea", "bea"}) is None


@pytest.mark.parametrize(
    ("file", "named", "goes_to"),
    [
        ("a.py", None, "S1"),
        ("a.py", "S2", "S1"),
        ("a.py", "S1", "S1"),
        ("both.py", "S2", "S2"),
        ("both.py", None, None),
        ("both.py", "S9", "S9"),
        ("old.py", "S2", "S2"),
        (None, "S2", "S2"),
        (None, None, None),
    ],
)
def test_a_finding_goes_to_whoever_changed_the_file(file, named, goes_to):
    work = {"S1": ended("S1", "lea", "a.py", "both.py"), "S2": ended("S2", "bea", "both.py"), "S3": ended("S3", "x")}
    (found,) = addressed([Finding(subtask_id=named, message="x", file=file)], work)
    assert found.subtask_id == goes_to
