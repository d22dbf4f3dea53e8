"""Agents that raise: again where the trouble may pass, then failed or a question; nobody beside them is touched."""

import asyncio
from collections import Counter
from json import JSONDecodeError
from types import SimpleNamespace
from typing import Any

import pytest
from scripted import ScriptedAgent, all_roles, done

from agents import rule_based_agents
from delegation import Outcome, OutcomeStatus, Role, Squad
from graph import RunSettings, TaskOrchestrator, consulting
from graph.consulting import is_passing
from graph.masking import masked

QUICK = {"retry_wait_s": 0.0, "retry_ceiling_s": 0.0}
JUDGEMENTS = [
    (Role.PROJECT_MANAGER, "analyze", "analyzing"),
    (Role.TECH_LEAD, "assess", "analyzing"),
    (Role.PROJECT_MANAGER, "break_down", "planning"),
    (Role.TECH_LEAD, "estimate", "planning"),
    (Role.TESTER, "plan_tests", "planning"),
    (Role.PROJECT_MANAGER, "approve", "delegated"),
    (Role.PROJECT_MANAGER, "standup", "in_progress"),
    (Role.TECH_LEAD, "review", "reviewing"),
    (Role.TESTER, "execute", "testing"),
]


class RateLimitError(Exception):
    """What clients of model providers call it."""


class Judge:
    """A rule-based agent of which one judgement goes wrong, as often as asked."""

    def __init__(self, role: Role, judgement: str, *errors: Any) -> None:
        self.role, self.judgement, self.errors, self.calls = role, judgement, list(errors), 0
        self.rules: Any = rule_based_agents()[role]

    def __getattr__(self, name: str) -> Any:
        rule = getattr(self.rules, name)
        if name != self.judgement:
            return rule

        async def judge(*given: Any) -> Any:
            self.calls += 1
            wrong = self.errors.pop(0) if self.errors else None
            if isinstance(wrong, BaseException):
                raise wrong
            return await rule(*given) if wrong is None else wrong

        return judge


async def run(database, store, agents, **settings: Any) -> tuple[TaskOrchestrator, dict[str, Any]]:
    orchestrator = TaskOrchestrator(database=database, agents=agents, settings=RunSettings(**QUICK | settings))
    stored = await store(database, squad=Squad.default())
    async with database.session() as db:
        execution_id = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    async with asyncio.timeout(30):
        return orchestrator, await orchestrator.run(execution_id)


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionResetError(),
        OSError("network is unreachable"),
        JSONDecodeError("no JSON", "<html>", 0),
        RateLimitError("slow down"),
        type("APIConnectionError", (Exception,), {})("gone"),
        type("Overloaded", (RateLimitError,), {})("a kind of it"),
        type("StatusError", (Exception,), {"status_code": 503})("busy"),
        type("StatusError", (Exception,), {"response": SimpleNamespace(status_code=429)})("busy"),
    ],
    ids=repr,
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        RuntimeError("no"),
        FileNotFoundError("no such file"),
        PermissionError("not yours"),
        type("StatusError", (Exception,), {"status_code": 401})("who are you"),
        type("StatusError", (Exception,), {"response": None})("no answer at all"),
    ],
    ids=repr,
)
def test_what_lasts_is_not(error: Exception) -> None:
    assert not is_passing(error)


@pytest.mark.parametrize(("role", "judgement"), [(role, judgement) for role, judgement, _ in JUDGEMENTS])
async def test_a_judgement_is_tried_again_where_its_trouble_passes(database, store, role, judgement):
    judge = Judge(role, judgement, TimeoutError("slow"), RateLimitError("wait"))
    _, summary = await run(database, store, {role: judge})
    assert summary["status"] == "completed"
    assert judge.calls == 3


@pytest.mark.parametrize(("role", "judgement", "state"), JUDGEMENTS)
async def test_a_judgement_that_goes_on_failing_fails_the_task_with_the_error(database, store, role, judgement, state):
    judge = Judge(role, judgement, *[TimeoutError("slow")] * 9)
    _, summary = await run(database, store, {role: judge}, max_attempts=2)
    assert (summary["status"], judge.calls) == ("failed", 2)
    assert summary["error_message"] == f"{role.value}'s {judgement} failed: TimeoutError: slow"
    assert summary["transitions"][-1]["from_state"] == state


@pytest.mark.parametrize(("role", "judgement", "state"), JUDGEMENTS)
async def test_a_failed_judgement_is_a_question_where_the_run_says_so(database, store, role, judgement, state):
    judge = Judge(role, judgement, ValueError("the model said nonsense"))
    orchestrator, summary = await run(database, store, {role: judge}, on_failure="ask")
    assert (summary["status"], judge.calls) == ("blocked", 1)
    (gate,) = summary["gates"]
    assert (gate["origin_state"], gate["kind"]) == (state, "escalation")
    assert "the model said nonsense" in gate["question"]
    await orchestrator.answer(summary["execution_id"], gate["id"], text="it has been mended")
    summary = await orchestrator.run(summary["execution_id"])
    assert (summary["status"], judge.calls) == ("completed", 2)


@pytest.mark.parametrize("wrong", ["text", 0, {}, asyncio.CancelledError("of its own")], ids=repr)
async def test_a_judgement_that_is_none_fails_the_task_by_name(database, store, wrong):
    _, summary = await run(database, store, {Role.TECH_LEAD: Judge(Role.TECH_LEAD, "review", wrong)})
    assert summary["status"] == "failed"
    assert summary["error_message"].startswith("tech_lead's review ")


async def test_a_judgement_that_takes_too_long_is_ended(database, store):
    class Slow(Judge):
        def __getattr__(self, name: str) -> Any:
            judge = super().__getattr__(name)

            async def wait(*_given: Any) -> Any:
                await asyncio.Event().wait()

            return wait if name == self.judgement else judge

    _, summary = await run(database, store, {Role.TESTER: Slow(Role.TESTER, "execute")}, subtask_timeout_s=0.2)
    assert summary["error_message"] == "tester's execute did not end within 0.2 s"


async def test_work_is_tried_again_where_its_trouble_passes_and_not_otherwise(database, store):
    calls: Counter[str] = Counter()

    async def script(brief):
        calls[brief.subtask.id] += 1
        if calls[brief.subtask.id] < 3:
            raise ConnectionResetError("gone")
        return done(brief)

    _, summary = await run(database, store, all_roles(script))
    assert summary["status"] == "completed"
    assert set(calls.values()) == {3}


async def test_a_subtask_that_fails_for_good_leaves_the_others_alone(database, store):
    ended = []

    async def script(brief):
        if brief.subtask.role == Role.FRONTEND_DEVELOPER:
            raise ValueError("no")
        for _ in range(20):
            await asyncio.sleep(0)
        ended.append(brief.subtask.id)
        return done(brief)

    agents = all_roles(script)
    _, summary = await run(database, store, agents, max_attempts=5)
    assert summary["status"] == "failed"
    assert "ValueError: no" in summary["error_message"]
    (front,) = [one for one in summary["subtasks"] if one["role"] == "frontend_developer"]
    assert front["status"] == "failed"
    assert len(agents[Role.FRONTEND_DEVELOPER].briefs) == 1
    assert {one["id"] for one in summary["subtasks"] if one["status"] == "done"} == set(ended) != set()


async def test_an_agent_that_does_not_let_itself_be_cancelled_holds_up_nothing(database, store, monkeypatch):
    monkeypatch.setattr(consulting, "STUBBORN_S", 0.05)
    free = asyncio.Event()

    async def script(brief):
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        return done(brief)

    _, summary = await run(database, store, all_roles(script), subtask_timeout_s=0.1)
    free.set()
    assert summary["status"] == "failed"
    assert "did not end within 0.1 s" in summary["error_message"]


async def test_an_agent_that_wants_to_end_the_program_fails_its_subtask(database, store):
    async def script(_brief):
        raise SystemExit(3)

    _, summary = await run(database, store, all_roles(script))
    assert "sys.exit(3)" in summary["error_message"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://ana:secret1@host/path?key=abc123 failed", "GET https://***@host/path?*** failed"),
        ("401 for Authorization: Bearer abcdefgh12345", "401 for Authorization: *** ***"),
        ("invalid api_key=sk-abcdefgh12345678", "invalid api_key=***"),
        ("key sk-abcdefgh12345678 is wrong", "key *** is wrong"),
        ("two\nlines", "two lines"),
        ("a basic misunderstanding, isn't it?", "a basic misunderstanding, isn't it?"),
    ],
)
def test_an_error_is_kept_without_the_secrets_that_it_quotes(text, shown):
    assert masked(text) == shown


async def test_an_outcome_that_says_failed_is_final_and_not_tried_again(database, store):
    async def script(_brief):
        return Outcome(status=OutcomeStatus.FAILED, note="cannot be done")

    agent = ScriptedAgent(Role.BACKEND_DEVELOPER, script)
    _, summary = await run(database, store, {Role.BACKEND_DEVELOPER: agent})
    assert summary["status"] == "failed"
    assert len(agent.briefs) == len({brief.subtask.id for brief in agent.briefs})
