"""The board at work: parallel members, refusals, questions, failures, time limits, rework."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from scripted import ScriptedAgent, all_roles, done

from agents import Roster, rule_based_agents
from delegation import (
    Finding,
    Message,
    Outcome,
    OutcomeStatus,
    Review,
    Role,
    Squad,
    SquadMember,
    Task,
)
from graph import RunSettings, TaskOrchestrator

TASK = Task(
    title="Implement user login",
    description="An API `POST /api/login`, a login form in the page, a users table in the database.",
    acceptance_criteria=["A wrong password is refused", "The form shows the error"],
)


async def run(database, store, agents, *, squad: Squad | None = None, **settings: Any):
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))
    stored = await store(database, task=TASK, squad=squad)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async with asyncio.timeout(30):
        return orchestrator, await orchestrator.run(execution_id)


def by_role(summary, role: Role):
    return [one for one in summary["subtasks"] if one["role"] == role]


async def test_members_work_at_the_same_time_and_never_before_what_they_wait_for(database, store):
    at_work, most, ended = set(), [0], set()

    async def script(brief):
        assert set(brief.subtask.depends_on) <= ended
        assert set(brief.inputs) == set(brief.subtask.depends_on)
        at_work.add(brief.subtask.id)
        most[0] = max(most[0], len(at_work))
        for _ in range(50):
            await asyncio.sleep(0)
        at_work.discard(brief.subtask.id)
        ended.add(brief.subtask.id)
        return done(brief)

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "completed"
    assert most[0] > 1


async def test_a_refusal_goes_to_the_next_best_member_with_what_was_said(database, store):
    squad = Squad(
        members=[
            *Squad.default().members,
            SquadMember(id="backend-2", name="Second", role=Role.BACKEND_DEVELOPER),
        ]
    )
    agents = all_roles(lambda brief: refuse_as("backend_developer", brief))
    orchestrator, summary = await run(database, store, agents, squad=squad)
    assert summary["status"] == "completed"
    assert {one["member"] for one in by_role(summary, Role.BACKEND_DEVELOPER)} == {"backend-2"}
    said = await orchestrator.message_bus.get_messages(execution_id=summary["execution_id"])
    assert said


async def refuse_as(member_id: str, brief):
    if brief.member.id == member_id:
        return Outcome(status=OutcomeStatus.REFUSED, note="I wrote what is to be changed")
    return done(brief)


async def test_refused_by_all_is_a_question_and_the_rest_of_the_board_goes_on(database, store):
    async def script(brief):
        if brief.subtask.role == Role.BACKEND_DEVELOPER and not brief.answers:
            return Outcome(status=OutcomeStatus.REFUSED, note="not for me")
        return done(brief)

    orchestrator, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "blocked"
    assert all(gate["kind"] == "escalation" and gate["subtask_id"] for gate in summary["gates"])
    while summary["status"] == "blocked":
        for gate in summary["gates"]:
            if gate["status"] == "open":
                await orchestrator.answer(summary["execution_id"], gate["id"], text="please do")
        summary = await orchestrator.run(summary["execution_id"])
    assert summary["status"] == "completed"


async def test_all_questions_are_asked_at_once_and_answers_reach_who_asked(database, store):
    async def script(brief):
        if brief.subtask.depends_on or brief.answers:
            return done(brief)
        return Outcome(status=OutcomeStatus.BLOCKED, question=f"How about {brief.subtask.id}?")

    agents = all_roles(script)
    orchestrator, summary = await run(database, store, agents)
    assert summary["status"] == "blocked"
    roots = [one["id"] for one in summary["subtasks"] if not one["depends_on"]]
    assert sorted(gate["subtask_id"] for gate in summary["gates"]) == sorted(roots)
    for number, gate in enumerate(summary["gates"]):
        assert gate["kind"] == "blocker"
        went = await orchestrator.answer(summary["execution_id"], gate["id"], text=f"answer {number}")
        assert went == ("in_progress" if number == len(roots) - 1 else "blocked")
    calls = sum(len(agent.briefs) for agent in agents.values())
    summary = await orchestrator.run(summary["execution_id"])
    assert summary["status"] == "completed"
    heard = [brief.answers for agent in agents.values() for brief in agent.briefs if brief.answers]
    assert sorted(heard) == [[f"answer {number}"] for number in range(len(roots))]
    assert sum(len(agent.briefs) for agent in agents.values()) == calls + len(summary["subtasks"])


async def test_a_failure_stops_only_what_waits_for_it_and_its_error_is_told(database, store):
    async def script(brief):
        if brief.subtask.role == Role.FRONTEND_DEVELOPER:
            raise RuntimeError("the build server is down")
        return done(brief)

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "failed"
    assert "RuntimeError: the build server is down" in summary["error_message"]
    for one in by_role(summary, Role.BACKEND_DEVELOPER):
        assert one["status"] == ("done" if not waits_for_frontend(one, summary) else "cancelled")
    assert {one["status"] for one in by_role(summary, Role.TESTER)} == {"cancelled"}


def waits_for_frontend(subtask, summary) -> bool:
    known = {one["id"]: one for one in summary["subtasks"]}
    return any(
        known[one]["role"] == Role.FRONTEND_DEVELOPER or waits_for_frontend(known[one], summary)
        for one in subtask["depends_on"]
    )


async def test_a_failure_may_be_a_question_instead_and_is_tried_again_after_the_answer(database, store):
    tries = []

    async def script(brief):
        if brief.subtask.role == Role.FRONTEND_DEVELOPER and not brief.answers:
            tries.append(brief.attempt)
            raise RuntimeError("no space left")
        return done(brief)

    orchestrator, summary = await run(database, store, all_roles(script), on_failure="ask")
    assert summary["status"] == "blocked"
    for gate in summary["gates"]:
        assert "no space left" in gate["question"]
        await orchestrator.answer(summary["execution_id"], gate["id"], text="there is space again")
    summary = await orchestrator.run(summary["execution_id"])
    assert summary["status"] == "completed"
    assert tries == [1]


async def test_a_subtask_that_takes_too_long_is_ended_and_counts_as_failed(database, store):
    ended = []

    async def script(brief):
        if brief.subtask.role != Role.BACKEND_DEVELOPER:
            return done(brief)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(brief.subtask.id)

    _, summary = await run(database, store, all_roles(script), subtask_timeout_s=0.05)
    assert summary["status"] == "failed"
    assert "did not end within 0.05 s" in summary["error_message"]
    assert ended


@pytest.mark.parametrize("nonsense", [None, "done", {"status": "done"}, 3])
async def test_what_is_no_outcome_counts_as_failed(database, store, nonsense):
    async def script(_brief):
        return nonsense

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "failed"
    assert "returned no Outcome" in summary["error_message"]


async def test_a_member_with_capacity_works_on_several_at_once(database, store):
    squad = Squad(
        members=[SquadMember(id="one", name="One", role=Role.TECH_LEAD, capacity=3)],
    )
    at_work, most = set(), [0]

    async def script(brief):
        at_work.add(brief.subtask.id)
        most[0] = max(most[0], len(at_work))
        for _ in range(20):
            await asyncio.sleep(0)
        at_work.discard(brief.subtask.id)
        return done(brief)

    _, summary = await run(database, store, all_roles(script), squad=squad)
    assert {one["member"] for one in summary["subtasks"] if one["status"] == "done"} <= {"one"}
    assert most[0] <= 3


class SendsBack:
    """A tech lead that finds something in the first rounds."""

    role = Role.TECH_LEAD

    def __init__(self, times: int, pick: Callable[[Any], str]) -> None:
        self._rules: Any = rule_based_agents()[Role.TECH_LEAD]
        self._left, self._pick = times, pick
        self.sent: list[str] = []

    async def work(self, brief):
        return await self._rules.work(brief)

    async def assess(self, task, requirements):
        return await self._rules.assess(task, requirements)

    async def estimate(self, plan, requirements):
        return await self._rules.estimate(plan, requirements)

    async def review(self, plan, requirements, outcomes):
        if self._left <= 0:
            return Review(approved=True, summary="good")
        self._left -= 1
        self.sent.append(self._pick(plan))
        return Review(
            approved=False, findings=[Finding(subtask_id=self.sent[-1], message="say why")], summary="wanting"
        )


async def test_only_what_was_sent_back_is_worked_again_and_hears_why(database, store):
    agents: dict[Role, Any] = all_roles(_does_it)
    agents[Role.TECH_LEAD] = lead = SendsBack(2, backend_subtask)
    _, summary = await run(database, store, agents)
    assert summary["status"] == "completed"
    states = [move["to_state"] for move in summary["transitions"]]
    assert states.count("reviewing") == 3
    again = lead.sent[0]
    briefs = [brief for role, agent in agents.items() if role != Role.TECH_LEAD for brief in agent.briefs]
    worked = Counter(brief.subtask.id for brief in briefs)
    assert worked.pop(again) == 3
    assert set(worked.values()) == {1}
    assert [brief.findings[0].message for brief in briefs if brief.findings] == ["say why"] * 2


def backend_subtask(plan) -> str:
    """The last thing that the back-end developer does for the front end: nobody stands in for it."""
    return next(one.id for one in reversed(plan.subtasks) if one.role == Role.BACKEND_DEVELOPER)


async def _does_it(brief):
    return done(brief)


async def test_beyond_the_limit_of_reworks_a_human_is_asked_and_may_let_it_go_on(database, store):
    agents: dict[Role, Any] = all_roles(_does_it)
    agents[Role.TECH_LEAD] = SendsBack(3, backend_subtask)
    orchestrator, summary = await run(database, store, agents, max_reworks=2)
    assert summary["status"] == "blocked"
    [gate] = summary["gates"]
    assert "2 times" in gate["question"]
    assert await orchestrator.answer(summary["execution_id"], gate["id"], text="once more") == "in_progress"
    summary = await orchestrator.run(summary["execution_id"])
    assert summary["status"] == "completed"


def test_an_agent_without_work_is_refused_by_name():
    with pytest.raises(Exception, match=r"tester has no work\(\)"):
        Roster({Role.TESTER: object()})  # type: ignore[dict-item]
    with pytest.raises(Exception, match="is no role"):
        Roster({"juggler": ScriptedAgent(Role.TESTER)})  # type: ignore[dict-item]


def test_an_agent_that_judges_by_halves_is_refused_by_name():
    class Half(ScriptedAgent):
        async def review(self, plan, requirements, outcomes):
            return Review(approved=True)

    with pytest.raises(Exception, match="it has no assess, estimate"):
        Roster({Role.TECH_LEAD: Half(Role.TECH_LEAD)})


async def test_the_result_says_who_worked(database, store):
    _, summary = await run(database, store, {Role.TESTER: ScriptedAgent(Role.TESTER)})
    assert summary["result"]["note"].startswith("Own agents worked as tester.")


async def test_an_agent_that_is_cancelled_by_something_of_its_own_fails_and_nobody_hangs(database, store):
    async def script(_brief):
        raise asyncio.CancelledError("a leaked scope")

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "failed"
    assert "cancelled by something of its own" in summary["error_message"]


@pytest.mark.parametrize("what", ["note", "error"])
async def test_what_cannot_be_stored_is_the_subtasks_failure(database, store, what):
    async def script(_brief):
        if what == "error":
            raise RuntimeError("half a character: \ud800")
        return Outcome.model_construct(
            status=OutcomeStatus.DONE, note="\ud800", deliverable=None, question=None, messages=[]
        )

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "failed"


async def test_a_time_in_a_messages_metadata_is_stored_as_text(database, store):
    async def script(brief):
        said = Message(sender="x", type="status_update", content="x", metadata={"at": datetime.now(UTC)})
        return done(brief).model_copy(update={"messages": [said]})

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "completed"


async def test_a_new_plan_owes_nothing_to_the_work_on_the_one_before(database, store):
    asks = []

    async def script(brief):
        if brief.subtask.role == Role.TESTER and not asks:
            asks.append(brief.subtask.id)
            return Outcome(status=OutcomeStatus.BLOCKED, question="Is this the right plan?")
        return done(brief)

    agents = all_roles(script)
    orchestrator, summary = await run(database, store, agents)
    [gate] = summary["gates"]
    calls = sum(len(agent.briefs) for agent in agents.values())
    assert (
        await orchestrator.answer(summary["execution_id"], gate["id"], text="no", next_state="planning") == "planning"
    )
    summary = await orchestrator.run(summary["execution_id"])
    assert summary["status"] == "completed"
    assert {one["status"] for one in summary["subtasks"]} == {"done"}
    assert sum(len(agent.briefs) for agent in agents.values()) == calls + len(summary["subtasks"])


async def test_work_on_a_new_plan_knows_nothing_of_the_plan_before(database, store):
    briefs = []

    async def script(brief):
        if brief.subtask.id == "S1":
            briefs.append(brief)
            if len(briefs) <= 2:
                return Outcome(status=OutcomeStatus.BLOCKED, question=f"Question {len(briefs)}?")
        return done(brief)

    orchestrator, summary = await run(database, store, all_roles(script))
    for next_state in ("in_progress", "planning"):
        (gate,) = [one for one in summary["gates"] if one["status"] == "open"]
        await orchestrator.answer(summary["execution_id"], gate["id"], text=next_state, next_state=next_state)
        summary = await orchestrator.run(summary["execution_id"])
    assert summary["status"] == "completed"
    first, again, anew = briefs
    assert (first.attempt, first.answers) == (1, [])
    assert (again.attempt, again.answers) == (2, ["in_progress"])
    assert (anew.attempt, anew.answers) == (1, [])
