"""Standups of a run: told from the facts at the end of each round, whatever the project manager makes of them."""

from typing import Any

from scripted import ScriptedAgent, all_roles, done

from agents.rules import RuleProjectManager
from delegation import BoardStatus, MessageType, Outcome, OutcomeStatus, Role, Standup, StandupAction, Task
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
