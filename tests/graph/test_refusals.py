"""A member gives work back: the next best takes over with what was made so far, and at the limit a human decides."""

import asyncio
from typing import Any

import pytest
from scripted import all_roles, done

from agents import Brief, rule_based_agents
from delegation import Deliverable, MessageType, Outcome, OutcomeStatus, Role, Squad, SquadMember, Task
from graph import RunSettings, TaskOrchestrator

TASK = Task(title="Implement user login", description="An API `POST /api/login`.", acceptance_criteria=["It works"])
BACKENDS = ["backend_developer", "backend-2", "backend-3"]
SQUAD = Squad(
    members=[
        *Squad.default().members,
        *(SquadMember(id=one, name=one, role=Role.BACKEND_DEVELOPER) for one in BACKENDS[1:]),
    ]
)
"""Three in the back end, and a tech lead who may stand in: four who may be asked."""


def gives_back(brief: Brief) -> Outcome:
    """Return the outcome of a member that began, and wants somebody else to go on."""
    made = Deliverable(kind="note", title=f"Draft of {brief.member.id}", body="Half of it.")
    return Outcome(status=OutcomeStatus.REFUSED, note=f"{brief.member.id} is no good at it", deliverable=made)


class Squads:
    """Agents of which some give back work that asks for the back end, and what each of them was handed."""

    def __init__(self, unwilling: set[str]) -> None:
        self.unwilling = unwilling
        self.briefs: list[Brief] = []

    async def work(self, brief: Brief) -> Outcome:
        if brief.subtask.role == Role.BACKEND_DEVELOPER:
            self.briefs.append(brief)
            if brief.member.id in self.unwilling:
                return gives_back(brief)
        return done(brief)


async def begun(database: Any, store: Any, squads: Squads, **settings: Any) -> tuple[TaskOrchestrator, Any]:
    chosen = RunSettings(**settings)
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(squads.work), settings=chosen)
    stored = await store(database, task=TASK, squad=SQUAD)
    async with database.session() as db:
        return orchestrator, await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)


async def run(orchestrator: TaskOrchestrator, execution_id: Any) -> dict[str, Any]:
    async with asyncio.timeout(30):
        return await orchestrator.run(execution_id)


async def test_what_was_made_so_far_goes_along_to_whoever_takes_over(database, store):
    squads = Squads(set(BACKENDS))
    orchestrator, execution_id = await begun(database, store, squads)
    summary = await run(orchestrator, execution_id)
    assert summary["status"] == "completed"
    subtask_id = squads.briefs[0].subtask.id
    ways = [brief for brief in squads.briefs if brief.subtask.id == subtask_id]
    assert [[one.member_id for one in brief.so_far] for brief in ways] == [
        [one.member.id for one in ways[:index]] for index in range(len(ways))
    ]
    assert {brief.member.id for brief in ways} == {*BACKENDS, "tech_lead"}
    for left, brief in zip(ways[-1].so_far, ways, strict=False):
        assert left.note == f"{brief.member.id} is no good at it"
        assert left.deliverable.title == f"Draft of {brief.member.id}"
    told = await orchestrator.message_bus.get_messages(execution_id=str(execution_id))
    asked = [one for one in told if one.type == MessageType.TASK_ASSIGNMENT and one.recipient == ways[-1].member.id]
    assert any(ways[-2].member.id in one.sender and "no good at it" in one.content for one in asked)


async def test_what_was_left_undone_is_nobodys_input(database, store):
    squads = Squads({"backend_developer"})
    handed: list[Deliverable] = []

    async def work(brief: Brief) -> Outcome:
        handed.extend(brief.inputs.values())
        return await squads.work(brief)

    orchestrator, execution_id = await begun(database, store, squads)
    orchestrator = TaskOrchestrator(database=database, agents=all_roles(work))
    assert (await run(orchestrator, execution_id))["status"] == "completed"
    assert handed
    assert not [one for one in handed if one.title.startswith("Draft")]


@pytest.mark.parametrize("limit", [0, 1, 2])
async def test_at_the_limit_a_human_is_asked_who_is_told_who_refused_and_why(database, store, limit):
    squads = Squads({*BACKENDS, "tech_lead"})
    orchestrator, execution_id = await begun(database, store, squads, max_refusals=limit)
    summary = await run(orchestrator, execution_id)
    assert summary["status"] == "blocked"
    subtask_id = squads.briefs[0].subtask.id
    [gate] = [one for one in summary["gates"] if one["subtask_id"] == subtask_id]
    refused = [brief.member.id for brief in squads.briefs if brief.subtask.id == subtask_id]
    assert gate["attempted_solutions"] == [f"{one} was asked, and refused: {one} is no good at it" for one in refused]
    assert len(refused) == limit + 1
    assert f"refused {limit + 1} times" in gate["question"]


async def test_after_the_answer_whoever_had_it_last_tries_again_with_all_that_was_made(database, store):
    squads = Squads({*BACKENDS, "tech_lead"})
    orchestrator, execution_id = await begun(database, store, squads, max_refusals=1)
    summary = await run(orchestrator, execution_id)
    before = {brief.subtask.id: brief.member.id for brief in squads.briefs}
    squads.unwilling = set()
    squads.briefs.clear()
    for gate in summary["gates"]:
        await orchestrator.answer(execution_id, gate["id"], text="Do it all the same")
    assert (await run(orchestrator, execution_id))["status"] == "completed"
    again = [brief for brief in squads.briefs if brief.subtask.id in before]
    assert {brief.subtask.id: brief.member.id for brief in again} == before
    assert all(brief.answers == ["Do it all the same"] for brief in again)
    assert all(len(brief.so_far) == 2 for brief in again)


async def test_the_rules_quote_what_was_made_before(database, store):
    stored = await store(database, task=TASK, squad=SQUAD)

    class Unwilling:
        role = Role.BACKEND_DEVELOPER

        async def work(self, brief: Brief) -> Outcome:
            if brief.member.id == "backend_developer":
                return gives_back(brief)
            return await rule_based_agents()[self.role].work(brief)

    orchestrator = TaskOrchestrator(database=database, agents={Role.BACKEND_DEVELOPER: Unwilling()})
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    summary = await run(orchestrator, execution_id)
    assert summary["status"] == "completed"
    bodies = [one["deliverable"]["body"] for one in summary["subtasks"] if one["member"] in BACKENDS[1:]]
    assert any("backend\\_developer left it refused" in body and "Half of it." in body for body in bodies)
