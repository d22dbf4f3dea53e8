"""A member that is stuck asks: who fits answers, also at work; what was tried is told to a human where nobody knew."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from scripted import ScriptedAgent, all_roles, done

from agents import Brief, surroundings
from agents.memory import SquadMemory, lessons_of
from delegation import InputError, MessageType, Outcome, OutcomeStatus, Role, Task
from graph import RunSettings, TaskOrchestrator
from graph.colleagues import MOST_QUESTIONS

TASK = Task(
    title="Implement user login",
    description="An API `POST /api/login`, a login form in the page.",
    acceptance_criteria=["A wrong password is refused", "The form shows the error"],
)
DEV, LEAD, TESTER = Role.BACKEND_DEVELOPER, Role.TECH_LEAD, Role.TESTER
QUESTION, ANSWER = MessageType.QUESTION, MessageType.ANSWER


class Knowing(ScriptedAgent):
    """Works, and answers by a script of its own."""

    def __init__(self, role: Role, answers: Any) -> None:
        super().__init__(role)
        self.answers = answers
        self.asked: list[tuple[str, Brief]] = []

    async def answer(self, question: str, brief: Brief) -> Any:
        self.asked.append((question, brief))
        return await self.answers(question)


def says(text: Any) -> Any:
    async def answer(_question: str) -> Any:
        return text

    return answer


async def fails(_question: str) -> Any:
    raise RuntimeError("no idea, and a bug")


async def never(_question: str) -> Any:
    await asyncio.Event().wait()


async def cancels(_question: str) -> Any:
    raise asyncio.CancelledError("of its own")


def colleagues() -> Any:
    found = surroundings().colleagues
    assert found is not None
    return found


async def started(database, store, agents: Any, **settings: Any):
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**settings))
    stored = await store(database, task=TASK)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    return orchestrator, execution_id, stored.squad.id


async def exchanged(orchestrator, execution_id) -> list[tuple[Any, str, str | None, str]]:
    said = await orchestrator.message_bus.get_messages(execution_id=execution_id, types=[QUESTION, ANSWER])
    return [(one.type, one.sender, one.recipient, one.content) for one in said]


async def test_who_fits_answers_and_what_was_learnt_is_remembered(database, store):
    heard: list[Any] = []

    async def asks(brief: Brief) -> Outcome:
        if brief.subtask.id == "S1":
            heard.append(await colleagues().ask("Which hash do the passwords have?"))
        return done(brief)

    agents = all_roles(asks)
    agents[LEAD] = lead = Knowing(LEAD, says("argon2id"))
    orchestrator, execution_id, squad_id = await started(database, store, agents)
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    (replies,) = heard
    assert [(one.member_id, one.text) for one in replies] == [("tech_lead", "argon2id")]
    assert await exchanged(orchestrator, execution_id) == [
        (QUESTION, "backend_developer", "tech_lead", "Which hash do the passwords have?"),
        (ANSWER, "tech_lead", "backend_developer", "argon2id"),
    ]
    ((question, brief),) = lead.asked
    assert (question, brief.member.id, brief.subtask.role) == ("Which hash do the passwords have?", "tech_lead", DEV)
    (lesson,) = await SquadMemory(database.store, squad_id).asearch(lessons_of(execution_id))
    answers = ["tech_lead: argon2id"]
    assert lesson.value == {"text": f"{question}\n{answers[0]}", "question": question, "answers": answers}


async def test_a_member_answers_while_it_works_and_may_not_ask_in_turn(database, store):
    inside: list[Any] = []
    at_work, answered = asyncio.Event(), asyncio.Event()

    async def lead_answers(_question: str) -> str:
        assert at_work.is_set()
        inside.append(surroundings().colleagues)
        return "yes"

    async def works(brief: Brief) -> Outcome:
        if brief.subtask.id == "S3":
            at_work.set()
            await answered.wait()
        elif brief.subtask.role == TESTER:
            await at_work.wait()
            replies = await colleagues().ask("Is it done?", role=DEV)
            assert ("backend_developer", "yes") in [(one.member_id, one.text) for one in replies]
            answered.set()
        return done(brief)

    agents = all_roles(works)
    agents[DEV] = Knowing(DEV, lead_answers)
    agents[DEV].script = works
    orchestrator, execution_id, _ = await started(database, store, agents)
    async with asyncio.timeout(30):
        assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert inside == [None]


@pytest.mark.parametrize(
    "answers",
    [says(None), says("  "), says(7), fails, never, cancels],
    ids=["none", "blank", "7", "fails", "late", "own"],
)
async def test_where_nobody_knows_a_human_is_told_what_was_tried(database, store, answers):
    async def asks(brief: Brief) -> Outcome:
        if brief.subtask.id == "S1" and not brief.answers:
            assert await colleagues().ask("Which hash?") == []
            return Outcome(status=OutcomeStatus.BLOCKED, question="Which hash do the passwords have?")
        return done(brief)

    agents = all_roles(asks)
    agents[LEAD] = Knowing(LEAD, answers)
    orchestrator, execution_id, _ = await started(database, store, agents, ask_timeout_s=0.2)
    summary = await orchestrator.run(execution_id)
    (gate,) = summary["gates"]
    assert gate["kind"] == "blocker"
    assert gate["attempted_solutions"] == ["backend_developer asked tech_lead “Which hash?”, who had no answer"]
    await orchestrator.answer(execution_id, gate["id"], text="argon2id")
    assert (await orchestrator.run(execution_id))["status"] == "completed"


async def test_what_came_back_refusals_rounds_and_earlier_answers_are_told_as_well(database, store):
    async def asks(brief: Brief) -> Outcome:
        if brief.subtask.id != "S1" or len(brief.answers) > 1:
            return done(brief)
        await colleagues().ask("Which hash?")
        return Outcome(status=OutcomeStatus.BLOCKED, question=f"Which hash, for the {brief.attempt}. time?")

    agents = all_roles(asks)
    agents[LEAD] = Knowing(LEAD, says("try\nargon2id"))
    orchestrator, execution_id, _ = await started(database, store, agents)
    (gate,) = (await orchestrator.run(execution_id))["gates"]
    asked = "backend_developer asked tech_lead “Which hash?”, who answered: try argon2id"
    assert gate["attempted_solutions"] == [asked]
    await orchestrator.answer(execution_id, gate["id"], text="the usual")
    _, gate = (await orchestrator.run(execution_id))["gates"]
    assert gate["attempted_solutions"] == [
        asked,
        asked,
        "it was worked 2 times",
        "a human had answered “S1 (Back end: Implement user login): Which hash, for the 1. time?”: the usual",
    ]


async def test_calls_that_were_tried_again_are_told(database, store):
    async def asks(brief: Brief) -> Outcome:
        if brief.subtask.id == "S1":
            raise ConnectionError("gone")
        return done(brief)

    settings = {"max_attempts": 2, "retry_wait_s": 0.0, "on_failure": "ask"}
    orchestrator, execution_id, _ = await started(database, store, all_roles(asks), **settings)
    (gate,) = (await orchestrator.run(execution_id))["gates"]
    assert gate["attempted_solutions"] == [
        "backend_developer's agent was called 2 times for S1: its trouble might pass"
    ]


async def test_a_stored_answer_is_not_asked_for_again_by_a_retry_or_after_a_stop(database, store):
    calls: list[int] = []
    stuck = asyncio.Event()

    async def asks(brief: Brief) -> Outcome:
        if brief.subtask.id != "S1":
            return done(brief)
        calls.append(len(calls))
        replies = [await colleagues().ask("Which hash?"), await colleagues().ask("Which hash?")]
        assert [[one.text for one in each] for each in replies] == [["argon2id"], ["argon2id"]]
        if len(calls) == 1:
            raise ConnectionError("it may pass")
        if len(calls) == 2:
            stuck.set()
            await asyncio.Event().wait()
        return done(brief)

    agents = all_roles(asks)
    agents[LEAD] = lead = Knowing(LEAD, says("argon2id"))
    orchestrator, execution_id, _ = await started(database, store, agents, retry_wait_s=0.0)
    running = asyncio.create_task(orchestrator.run(execution_id))
    await stuck.wait()
    running.cancel()
    await asyncio.wait([running])
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert (len(calls), len(lead.asked)) == (3, 2)  # it was asked twice in one go, and never again
    assert len(await exchanged(orchestrator, execution_id)) == 4


async def test_questions_have_a_bound_and_need_words(database, store):
    answers: list[int] = []

    async def asks(brief: Brief) -> Outcome:
        if brief.subtask.id == "S1":
            asked = [await colleagues().ask(f"Question {number}?") for number in range(MOST_QUESTIONS + 3)]
            answers.extend(map(len, asked))
            for nothing in ("", " \n", None):
                with pytest.raises(InputError, match="needs words"):
                    await colleagues().ask(nothing)
        return done(brief)

    agents = all_roles(asks)
    agents[LEAD] = Knowing(LEAD, says("yes"))
    orchestrator, execution_id, _ = await started(database, store, agents)
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert answers == [1] * MOST_QUESTIONS + [0] * 3


async def test_nothing_of_that_is_asked_or_written_where_nobody_asks(database, store):
    orchestrator, execution_id, squad_id = await started(database, store, None)
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert await exchanged(orchestrator, execution_id) == []
    assert await SquadMemory(database.store, squad_id).asearch(lessons_of(UUID(str(execution_id)))) == []
