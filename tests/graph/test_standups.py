"""Standups of a run: told from the facts at the end of each round, whatever the project manager makes of them."""

import asyncio
from typing import Any

import pytest
from scripted import ScriptedAgent, all_roles, done

from agents.rules import RuleProjectManager
from delegation import (
    Approval,
    BoardStatus,
    MessageType,
    Outcome,
    OutcomeStatus,
    Plan,
    Review,
    Role,
    Squad,
    SquadMember,
    Standup,
    StandupAction,
    Subtask,
    Task,
)
from graph import RunSettings, TaskOrchestrator

TASK = Task(
    title="Implement user login",
    description="An API `POST /api/login`, a login form in the page.",
    acceptance_criteria=["A wrong password is refused", "The form shows the error"],
)
PM = Role.PROJECT_MANAGER


class Manager(ScriptedAgent):
    """A project manager whose standups are a script's; all else is the rules'."""

    def __init__(self, script: Any) -> None:
        super().__init__(PM)
        self.says = script
        self.boards: list[BoardStatus] = []
        rules = RuleProjectManager()
        self.analyze, self.break_down, self.approve = rules.analyze, rules.break_down, rules.approve

    async def standup(self, plan, outcomes, *, board=None):
        self.boards.append(board)
        return self.says(plan, board)


async def run(database, store, agents: Any = None, **settings: Any):
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))
    stored = await store(database, task=TASK)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    return orchestrator, await orchestrator.run(execution_id)


async def standups(orchestrator, summary):
    return await orchestrator.message_bus.get_messages(execution_id=summary["execution_id"], types=MessageType.STANDUP)


async def test_a_round_ends_with_a_standup_of_its_facts(database, store):
    orchestrator, summary = await run(database, store)
    assert summary["status"] == "completed"
    (said,) = await standups(orchestrator, summary)
    assert said.sender == "project_manager"
    assert said.content == "4 of 4 subtasks done."
    status = BoardStatus.model_validate(said.metadata["status"])
    done_by = {one["id"]: one["member"] for one in summary["subtasks"]}
    assert {subtask: one.member_id for one in status.members for subtask in one.done} == done_by
    assert (status.velocity.subtasks_done, status.velocity.hours_left) == (4, 0.0)
    assert (status.because, status.blockers, status.at_risk, said.metadata["actions"]) == ([], [], [], [])


async def test_whoever_sums_up_cannot_change_the_facts(database, store):
    def boasts(plan, board):
        more = board.velocity.model_copy(update={"hours_done": 999.0})
        invented = StandupAction(kind="ask_human", subtask_id="S99", reason="there is no such subtask")
        kept = StandupAction(kind="split", subtask_id=plan.subtasks[0].id, reason="it is large")
        status = board.model_copy(update={"velocity": more})
        return Standup(summary="All is well.", status=status, actions=[invented, kept])

    agents = all_roles(_done)
    agents[PM] = manager = Manager(boasts)
    orchestrator, summary = await run(database, store, agents)
    (said,) = await standups(orchestrator, summary)
    assert said.content == "All is well."
    assert BoardStatus.model_validate(said.metadata["status"]) == manager.boards[0]
    assert manager.boards[0].velocity.hours_done < 999.0
    assert [one["kind"] for one in said.metadata["actions"]] == ["split"]


async def _done(brief):
    return done(brief)


async def test_a_blocker_is_told_with_what_waits_for_it(database, store):
    async def script(brief):
        if brief.subtask.id == "S1" and not brief.answers:
            return Outcome(status=OutcomeStatus.BLOCKED, question="Which hash?")
        return done(brief)

    orchestrator, summary = await run(database, store, all_roles(script))
    (said,) = await standups(orchestrator, summary)
    (blocker,) = BoardStatus.model_validate(said.metadata["status"]).blockers
    assert (blocker.subtask_id, blocker.severity, blocker.waiting) == ("S1", "high", 3)
    assert "Blocker (high): S1 blocked: it waits for an answer, and 3 more wait for it." in said.content
    assert said.metadata["blockers"] == ["S1 blocked: Which hash?"]
    assert [one["kind"] for one in said.metadata["actions"]] == ["ask_human"]


class Estimator(ScriptedAgent):
    """A tech lead whose estimates are all the same; it approves whatever it is shown."""

    def __init__(self, hours: float) -> None:
        super().__init__(Role.TECH_LEAD, _done)
        self.hours = hours

    async def assess(self, task, requirements):
        return requirements

    async def estimate(self, plan, requirements):
        subtasks = [one.model_copy(update={"effort": self.hours}) for one in plan.subtasks]
        return plan.model_copy(update={"subtasks": subtasks})

    async def review(self, plan, requirements, outcomes):
        return Review(approved=True)


def says_so(_plan, _board):
    return Standup(summary="as it is")


async def run_until_told(database, store, agents, *, count: int = 1, waits: str = "S1", squad=None, **settings: Any):
    """Run with one subtask that ends once so many standups have been told; returns them, the round's last included."""
    heard: list[Any] = []
    enough = asyncio.Event()
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))

    def hear(message):
        heard.append(message)
        if len(heard) >= count:
            enough.set()

    orchestrator.message_bus.subscribe(hear, types=MessageType.STANDUP)
    for agent in agents.values():
        agent.script = _until(enough, waits, agent.script)
    stored = await store(database, task=TASK, squad=squad)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async with asyncio.timeout(40):
        summary = await orchestrator.run(execution_id)
    async with database.session() as db:
        progress = await orchestrator.monitor_progress(db=db, execution_id=execution_id)
    assert progress["last_standup"] == heard[-1].content
    return summary, [BoardStatus.model_validate(one.metadata["status"]) for one in heard]


def _until(event, subtask_id, script):
    async def waiting(brief):
        if brief.subtask.id == subtask_id:
            await event.wait()
        return await script(brief)

    return waiting


async def test_standups_are_held_by_time_while_members_work(database, store):
    agents = all_roles(_done) | {PM: Manager(says_so)}
    summary, (first, second, last) = await run_until_told(database, store, agents, count=2, standup_every_s=0.1)
    assert summary["status"] == "completed"
    assert (first.because, second.because, last.because) == (["it is time"], ["it is time"], [])
    assert [one.subtask_id for member in first.members for one in member.doing] == ["S1"]
    assert [one.doing for one in last.members] == [[], [], []]


async def test_a_standup_is_held_where_a_member_is_behind_by_half_and_says_what_was_thought(database, store):
    agents = all_roles(_done) | {PM: Manager(says_so), Role.TECH_LEAD: Estimator(0.00001)}
    summary, (told, *_, last) = await run_until_told(database, store, agents)
    assert summary["status"] == "completed"
    assert told.because == ["S1 is behind its estimate by half"]
    (doing,) = [one for member in told.members for one in member.doing]
    assert (doing.subtask_id, doing.estimate, doing.is_behind) == ("S1", 0.00001, True)
    assert told.needs_help == {"backend_developer": "is behind on S1"}
    assert last.because == []


async def test_a_standup_is_held_where_a_subtask_cannot_go_on_and_others_work(database, store):
    async def script(brief):
        if brief.subtask.id == "S3" and not brief.answers:
            return Outcome(status=OutcomeStatus.BLOCKED, question="For whom?")
        return done(brief)

    agents = all_roles(script) | {PM: Manager(says_so)}
    summary, (told, last) = await run_until_told(database, store, agents, waits="S4")
    assert summary["status"] == "blocked"
    assert told.because == ["S3 cannot go on"]
    assert [(one.subtask_id, one.waiting) for one in told.blockers] == [("S3", 0)]
    assert [one.done for one in last.members if one.member_id == "tester"] == [["S4"]]


def dev(member_id: str, role: Role = Role.BACKEND_DEVELOPER) -> SquadMember:
    return SquadMember(id=member_id, name=member_id, role=role)


class Planner(Manager):
    """Plans four subtasks, the first three for ada and the last for bob, and hands one on at its first standup."""

    def __init__(self, script: Any) -> None:
        super().__init__(script)
        self.break_down, self.approve = self._planned, self._approved

    async def _planned(self, task, requirements):
        texts = [one.text for one in requirements.criteria]
        subtasks = [Subtask(id=f"S{at}", title="x", role=Role.BACKEND_DEVELOPER, criteria=texts) for at in range(1, 5)]
        tests = Subtask(id="S5", title="t", role=Role.TESTER, kind="test", criteria=texts, depends_on=["S1", "S4"])
        return Plan(subtasks=[*subtasks, tests])

    async def _approved(self, proposal, plan, members):
        owners = {"S1": "ada", "S2": "ada", "S3": "ada", "S4": "bob", "S5": "tess"}
        given = [one.model_copy(update={"member_id": owners[one.subtask_id]}) for one in proposal.assignments]
        return Approval(approved=True, schedule=proposal.model_copy(update={"assignments": given}))


async def test_a_standup_hands_on_what_waits_where_the_rules_allow_it_and_says_so(database, store):
    taken = asyncio.Event()

    def hands_on(_plan, board):
        given = [("S2", "bob"), ("S2", "bob"), ("S1", "bob"), ("S3", "tess"), ("S3", "nobody"), ("S4", None)]
        actions = [
            StandupAction(kind="reassign", subtask_id=one, to=to, reason="ada has her hands full") for one, to in given
        ]
        return Standup(summary="as it is", actions=actions if board.because else [])

    async def script(brief):
        if (brief.subtask.id, brief.member.id) == ("S2", "bob"):
            taken.set()
        if brief.subtask.id == "S1":
            await taken.wait()
        return done(brief)

    squad = Squad(members=[dev("ada"), dev("bob"), dev("tess", Role.TESTER), dev("lea", Role.TECH_LEAD)])
    agents = all_roles(script) | {PM: Planner(hands_on)}
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(standup_every_s=0.1))
    stored = await store(database, task=TASK, squad=squad)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async with asyncio.timeout(40):
        summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    who = {one["id"]: one["member"] for one in summary["subtasks"]}
    assert (who["S1"], who["S2"], who["S4"], who["S5"]) == ("ada", "bob", "bob", "tess")
    said = await orchestrator.message_bus.get_messages(execution_id=execution_id)
    told = [one.recipient for one in said if "S2" in one.content and "ada has her hands full" in one.content]
    assert "ada" in told
    asked = [one for one in said if one.type is MessageType.TASK_ASSIGNMENT and one.metadata["subtask_id"] == "S2"]
    assert [one.recipient for one in asked] == ["ada", "bob"]


@pytest.mark.parametrize("trouble", ["raises", "hangs", "is none"])
async def test_a_standup_that_cannot_be_held_disturbs_no_work(database, store, trouble):
    tried = asyncio.Event()

    class Troubled(Manager):
        async def standup(self, plan, outcomes, *, board=None):
            if not board.because:
                return Standup(summary="the end of the round")
            tried.set()
            if trouble == "raises":
                raise RuntimeError("no")
            if trouble == "hangs":
                await asyncio.Event().wait()
            return None

    agents = all_roles(_done) | {PM: Troubled(None)}
    agents[Role.BACKEND_DEVELOPER].script = _until(tried, "S1", _done)
    orchestrator, summary = await run(database, store, agents, standup_every_s=0.1)
    assert summary["status"] == "completed"
    assert [one.content for one in await standups(orchestrator, summary)] == ["the end of the round"]
