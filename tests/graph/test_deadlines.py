"""Deadlines of gates: said by whoever asks, or by the run's settings, and checked when the question is asked."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from scripted import ScriptedAgent, all_roles, does_it, done

from delegation import Answer, GateKind, InputError, NewGate, Outcome, OutcomeStatus, Role
from graph import GateError, InvalidTransition, RunSettings, TaskOrchestrator
from graph.deadlines import with_settings, with_terms
from persistence import utc_now

BLOCKER = NewGate(kind=GateKind.BLOCKER, question="Which hash?")


def near(moment: datetime | None, seconds: float) -> bool:
    """Whether that is how far away it is, the test's own time aside."""
    assert moment is not None
    return abs((moment - utc_now()).total_seconds() - seconds) < 60


@pytest.mark.parametrize("given", [7200, 7200.0, timedelta(hours=2), None])
def test_a_time_is_a_point_or_how_long_from_now(given):
    given = given or datetime.now(UTC) + timedelta(hours=2)
    gate = with_terms(BLOCKER, remind_at=3600, deadline=given, default_answer="bcrypt")
    assert near(gate.remind_at, 3600)
    assert near(gate.deadline, 7200)
    assert gate.default_answer == Answer(text="bcrypt", answered_by="deadline")


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"deadline": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - that is the mistake
        ({"deadline": datetime(2020, 1, 1, tzinfo=UTC)}, "passed"),
        ({"deadline": -5}, "passed"),
        ({"deadline": 0}, "passed"),
        ({"deadline": True}, "no time"),
        ({"deadline": "tomorrow"}, "no time"),
        ({"deadline": float("nan")}, "no time"),
        ({"remind_at": float("inf")}, "no time"),
        ({"remind_at": 1e300}, "end of time"),
        ({"remind_at": 60, "deadline": 60}, "not before"),
        ({"default_answer": "bcrypt"}, "without a deadline"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(terms, says):
    with pytest.raises(InputError, match=says):
        with_terms(BLOCKER, **({"remind_at": None, "deadline": None, "default_answer": None} | terms))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("  ", GateError),
        ({}, GateError),
        (7, GateError),
        ({"decision": "approve"}, GateError),
        ({"decision": "sing"}, GateError),
        ({"text": "x", "colour": "red"}, GateError),
        ({"text": "x", "next_state": "completed"}, InvalidTransition),
        (Answer(), GateError),
    ],
)
async def test_a_default_that_could_never_count_is_refused_when_the_question_is_asked(
    database, orchestrator, store, answer, error
):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        with pytest.raises(error):
            await orchestrator.handle_blocker(
                db=db, execution_id=execution_id, blocker_description="Which?", deadline=60, default_answer=answer
            )
    assert (await orchestrator.get_execution_summary(execution_id))["status"] == "analyzing"


async def test_what_was_said_is_stored_with_the_gate(database, orchestrator, store):
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
        terms = {"remind_at": 60, "deadline": 120, "default_answer": {"type": "approve"}}
        gate = await orchestrator.escalate_to_human(db=db, execution_id=execution_id, reason="May we?", **terms)
    assert near(gate.remind_at, 60)
    assert near(gate.deadline, 120)
    assert gate.default_answer.decision == "approve"
    (shown,) = (await orchestrator.get_execution_summary(execution_id))["gates"]
    assert shown["deadline"] == gate.deadline.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("kind", "choice", "expected"),
    [
        ("blocker", "wait", None),
        ("blocker", "go_on", ("respond", None)),
        ("escalation", "go_on", ("approve", None)),
        ("approval", "go_on", ("approve", None)),
        ("blocker", "give_up", ("reject", None)),
        ("approval", "give_up", ("reject", "failed")),
    ],
)
def test_settings_say_it_for_the_workflows_own_gates(kind, choice, expected):
    settings = RunSettings(gate_reminder_s=60, gate_deadline_s=120, gate_default=choice)
    gate = with_settings(NewGate(kind=kind, question="?"), settings)
    assert near(gate.remind_at, 60)
    assert near(gate.deadline, 120)
    answer = gate.default_answer
    assert (answer and (answer.decision, answer.next_state)) == expected
    assert answer is None or (answer.answered_by == "deadline" and answer.text)


def test_without_settings_a_question_waits_for_ever():
    assert with_settings(BLOCKER, RunSettings()) == BLOCKER
    late = with_settings(BLOCKER, RunSettings(gate_reminder_s=60, gate_deadline_s=60))
    assert late.remind_at is None  # it would come with the deadline
    said = with_terms(BLOCKER, remind_at=None, deadline=5, default_answer=None)
    assert with_settings(said, RunSettings(gate_deadline_s=60, gate_default="go_on")) == said


async def test_the_boards_questions_get_the_settings_deadline(database, store, caplog):
    async def asks(brief):
        return done(brief) if brief.answers else Outcome(status=OutcomeStatus.BLOCKED, question="Which\nhash?")

    agents = all_roles(does_it) | {Role.BACKEND_DEVELOPER: ScriptedAgent(Role.BACKEND_DEVELOPER, asks)}
    settings = RunSettings(gate_deadline_s=3600, gate_default="go_on")
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=settings)
    stored = await store(database)
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    with caplog.at_level(logging.INFO, "squad.gates"):
        summary = await orchestrator.run(execution_id)
        await orchestrator.run(execution_id)
    assert summary["status"] == "blocked"
    assert all(near(datetime.fromisoformat(gate["deadline"]), 3600) for gate in summary["gates"])
    assert {gate["default_answer"]["answered_by"] for gate in summary["gates"]} == {"deadline"}
    lines = [record.getMessage() for record in caplog.records if record.name == "squad.gates"]
    assert len(lines) == len(summary["gates"])  # each is logged once, on one line
    assert all(gate["id"] in line and "\n" not in line for gate, line in zip(summary["gates"], lines, strict=True))
