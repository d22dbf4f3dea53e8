"""What is said in an execution: every message fits its type, and a bad one of an agent's harms nothing but itself."""

from typing import Any
from uuid import UUID

import pytest
from scripted import all_roles, done

from delegation import Finding, Message, MessageType, Outcome, OutcomeStatus, Review, Role, Task, check_message
from graph import RunSettings, TaskOrchestrator
from persistence import load_logs

TASK = Task(title="Add a login API", description="An API `POST /login`.", acceptance_criteria=["It gives status 401"])


async def run(database, store, agents: Any = None, **settings: Any):
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))
    stored = await store(database, task=TASK)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    return orchestrator, await orchestrator.run(execution_id)


class Fussy:
    """Sends a round back, then approves; works and judges nothing else."""

    role = Role.TECH_LEAD

    def __init__(self) -> None:
        self.rounds = 0

    async def work(self, brief):
        return done(brief)

    async def assess(self, task, requirements):
        return requirements

    async def estimate(self, plan, requirements):
        return plan

    async def review(self, plan, requirements, outcomes):
        self.rounds += 1
        if self.rounds > 1:
            return Review(approved=True)
        return Review(approved=False, findings=[Finding(subtask_id=plan.subtasks[0].id, message="say why")])


async def test_every_message_of_the_system_fits_its_type(database, store):
    async def script(brief):
        if brief.subtask.role == Role.TESTER and not brief.answers:
            return Outcome(status=OutcomeStatus.BLOCKED, question="Which browser?")
        return done(brief)

    agents = {Role.TESTER: all_roles(script)[Role.TESTER], Role.TECH_LEAD: Fussy()}
    orchestrator, summary = await run(database, store, agents, approval="human")
    while summary["status"] == "blocked":
        (gate,) = [one for one in summary["gates"] if one["status"] == "open"]
        decision = "approve" if gate["kind"] == "approval" else "respond"
        await orchestrator.answer(summary["execution_id"], gate["id"], decision=decision, text="Any.")
        summary = await orchestrator.run(summary["execution_id"])
    assert summary["status"] == "completed"
    said = await orchestrator.message_bus.get_conversation(summary["execution_id"])
    for message in said:
        check_message(message)
    never = {MessageType.STATUS_REQUEST, MessageType.QUESTION}
    assert {one.type for one in said} == set(MessageType) - never


BAD: list[Any] = [
    Message(sender="x", type="task_assignment", content="take this"),
    Message(sender="x", type="status_update", content="x", metadata={"odd": object()}),
    Message(sender="x", type="status_update", content="\ud800"),
    Message(sender="x", type="code_review_response", content="fine", metadata={"verdict": "fine"}),
    Message.model_construct(sender="x", type="gossip", content="have you heard"),
    {"sender": "x", "type": "gossip", "content": "have you heard"},
    {"content": 7},
    "words",
    None,
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
async def test_a_bad_message_is_refused_with_a_line_in_the_log_and_its_work_is_kept(database, store, bad):
    async def script(brief):
        good = Message(sender="me", type="status_update", content="all done")
        made = done(brief)
        return Outcome.model_construct(
            status=made.status, note="done", deliverable=made.deliverable, question=None, messages=[good, bad, good]
        )

    orchestrator, summary = await run(database, store, {Role.BACKEND_DEVELOPER: all_roles(script)[Role.TESTER]})
    assert summary["status"] == "completed"
    said = await orchestrator.message_bus.get_messages(execution_id=summary["execution_id"], types="status_update")
    mine = [one for one in said if one.sender == "backend_developer"]
    worked = [one for one in summary["subtasks"] if one["member"] == "backend_developer"]
    assert [one.content for one in mine] == ["all done"] * 2 * len(worked)
    logs = await database.read(lambda connection: load_logs(connection, UUID(summary["execution_id"])))
    refused = [one for one in logs if one.event == "message_refused"]
    assert len(refused) == len(worked) >= 1
    assert all(one.text.startswith("a message of backend_developer was not kept: ") for one in refused)


@pytest.mark.parametrize("odd", [None, 7, "words", {}])
async def test_messages_that_are_no_list_of_any_are_refused_likewise(database, store, odd):
    async def script(brief):
        return done(brief).model_copy(update={"messages": odd})

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "completed"
