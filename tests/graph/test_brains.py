"""Models behind the roles: chosen, remembered, counted, and asked no more than once for the same."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from langchain_core.messages import BaseMessage
from scripted import ScriptedAgent
from scripted_model import Said, calls, text_of
from thinking import Brain, answers

from delegation import ConfigurationError, DefinitionChanged, GateError, Role, Squad, SquadMember, Task
from graph import RunSettings, TaskOrchestrator, build_graph
from persistence import Database, load_answers, load_logs, load_usage

Store = Callable[..., Awaitable[Any]]
TASK = Task(title="Implement login", acceptance_criteria=["A user can log in", "Five failures lock the account"])


async def begun(orchestrator: TaskOrchestrator, database: Database, store: Store, squad: Squad | None = None) -> UUID:
    stored = await store(database, TASK, squad)
    async with database.session() as db:
        return await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)


def path(summary: dict[str, Any]) -> list[str]:
    return [one["to_state"] for one in summary["transitions"]]


async def test_a_model_plays_every_role_to_the_end(database: Database, store: Store) -> None:
    brain = Brain()
    orchestrator = TaskOrchestrator(database=database, model=brain)
    summary = await orchestrator.run(await begun(orchestrator, database, store))
    assert summary["status"] == "completed", summary["error_message"]
    assert [one["title"] for one in summary["subtasks"]] == ["Endpoint", "Page", "Tests"]
    assert brain.forms == {
        "Analysis": 1,
        "Assessment": 1,
        "Breakdown": 1,
        "Estimates": 1,
        "TestPlan": 1,
        "ScheduleApproval": 1,
        "WorkResult": 3,
        "StandupSummary": 1,
        "ReviewForm": 1,
        "TestVerdict": 1,
    }
    metrics = summary["metrics"]
    assert (metrics["model_calls"], metrics["input_tokens"], metrics["output_tokens"]) == (12, 1200, 120)
    assert metrics["cost"] is None
    assert summary["result"]["note"] == "Models worked in every role."
    async with database.session() as db:
        progress = await orchestrator.monitor_progress(db=db, execution_id=summary["execution_id"])
    assert (progress["model_calls"], progress["input_tokens"]) == (12, 1200)


async def test_models_by_role_leave_the_others_to_the_rules_and_the_user(database: Database, store: Store) -> None:
    brain, own = Brain(), ScriptedAgent(Role.FRONTEND_DEVELOPER)
    models = {Role.BACKEND_DEVELOPER: brain, Role.FRONTEND_DEVELOPER: brain}
    orchestrator = TaskOrchestrator(database=database, model=models, agents={Role.FRONTEND_DEVELOPER: own})
    summary = await orchestrator.run(await begun(orchestrator, database, store))
    assert summary["status"] == "completed"
    assert set(brain.forms) == {"WorkResult"}
    assert summary["result"]["note"].startswith("Own agents worked as frontend_developer. Models worked as backend")


async def test_nothing_of_a_model_is_told_where_none_was_chosen(orchestrator: Any, database: Any, store: Any) -> None:
    summary = await orchestrator.run(await begun(orchestrator, database, store))
    assert "model_calls" not in summary["metrics"]


def test_the_rules_load_nothing_of_langchain_s_models() -> None:
    code = (
        "import asyncio, sys\n"
        "from delegation import Squad, Task\n"
        "from graph import TaskOrchestrator\n"
        "from persistence import Database, SquadService, TaskService\n"
        "async def main():\n"
        "    async with await Database.open('sqlite+aiosqlite:///:memory:') as database:\n"
        "        orchestrator = TaskOrchestrator(database=database)\n"
        "        async with database.session() as db:\n"
        "            squad = await SquadService.create_squad(db, Squad.default())\n"
        "            task = await TaskService.create_task(db, Task(title='Add a login page'))\n"
        "            key = await orchestrator.execute_task(db=db, task=task, squad_id=squad.id)\n"
        "        assert (await orchestrator.run(key))['status'] == 'completed'\n"
        "asyncio.run(main())\n"
        "print([name for name in sys.modules if name.split('.')[0] in {'langchain', 'langchain_openai', 'openai'}\n"
        "       or name.startswith('agents.models')])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("gpt", "names no model"),
        ("nobody:model", "of no known provider"),
        ("anthropic:claude", "needs langchain-anthropic, which is not installed"),
        ("openai:gpt-5", "needs a key, and there is none"),
    ],
)
def test_a_model_that_cannot_be_had_is_refused_before_anything_starts(
    name: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=why) as refused:
        TaskOrchestrator(model=name)
    assert refused.value.hint
    with pytest.raises(ConfigurationError, match=why):
        build_graph(model=name)
    with pytest.raises(ConfigurationError, match=why):
        TaskOrchestrator(settings=RunSettings(models={Role.TESTER: name}))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a name or a chat model, and this is int"):
        TaskOrchestrator(model=7)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="'wizard' is no role"):
        TaskOrchestrator(model={"wizard": "rules"})  # type: ignore[dict-item]


async def test_a_model_that_was_given_as_an_object_is_remembered_and_missed(database: Database, store: Store) -> None:
    first = TaskOrchestrator(database=database, model=Brain())
    execution_id = await begun(first, database, store)
    with pytest.raises(
        DefinitionChanged, match=r"has the model Brain:scripted, which was given as an object"
    ) as missed:
        await TaskOrchestrator(database=database).run(execution_id)
    assert "--model NAME" in str(missed.value.hint)
    # the lease was given back, and nothing has happened
    summary = await TaskOrchestrator(database=database, model=Brain()).run(execution_id)
    assert summary["status"] == "completed"


async def test_another_model_may_be_chosen_for_what_was_begun_with_one(database: Database, store: Store) -> None:
    execution_id = await begun(TaskOrchestrator(database=database, model=Brain()), database, store)
    summary = await TaskOrchestrator(database=database, model="rules").run(execution_id)
    assert summary["status"] == "completed"
    assert summary["metrics"]["model_calls"] == 0


async def test_a_graph_that_was_built_with_a_model_runs_with_it(database: Database) -> None:
    brain = Brain()
    graph = build_graph(database=database, model=brain)
    found = await graph.ainvoke({"task": TASK}, {"configurable": {"thread_id": "t"}}, durability="sync")
    assert found["status"] == "completed"
    assert brain.forms["WorkResult"] == 3


async def test_what_models_say_reaches_a_client_that_streams_messages(database: Database) -> None:
    graph = build_graph(database=database, model=Brain())
    config: Any = {"configurable": {"thread_id": "t"}}
    stream = graph.astream({"task": TASK}, config, stream_mode="messages", subgraphs=True, durability="sync")
    said = [part[1][0] async for part in stream]
    assert {call["name"] for one in said for call in getattr(one, "tool_calls", [])} >= {
        "Analysis",
        "WorkResult",
        "TestVerdict",
    }


async def test_an_answer_that_never_fits_fails_its_subtask_with_what_was_said(database: Database, store: Store) -> None:
    def silly(messages: list[BaseMessage]) -> Said | None:
        mine = text_of(messages).partition('<data from="your subtask">')[2].partition("</data>")[0]
        return "I would rather not." if "Page" in mine else None

    orchestrator = TaskOrchestrator(database=database, model=Brain(WorkResult=silly))
    summary = await orchestrator.run(await begun(orchestrator, database, store))
    assert summary["status"] == "failed"
    assert "S2 (Page) failed" in summary["error_message"]
    assert "did not end its work in a form that fits, in 3 tries" in summary["error_message"]
    assert "I would rather not." in summary["error_message"]


async def test_passing_trouble_is_tried_again_without_asking_again_what_was_answered(
    database: Database, store: Store
) -> None:
    said: list[Said | None] = [None, TimeoutError("slow"), {"subtasks": []}]

    def fails_once(_messages: list[BaseMessage]) -> Said | None:
        return said.pop() if said else None

    brain = Brain(Breakdown=fails_once)
    settings = RunSettings(retry_wait_s=0)
    orchestrator = TaskOrchestrator(database=database, model=brain, settings=settings)
    summary = await orchestrator.run(await begun(orchestrator, database, store))
    assert summary["status"] == "completed"
    # an answer that does not fit, a time-out on the second question, and that question once more: the first was kept
    assert brain.forms["Breakdown"] == 3


async def test_a_judgement_that_failed_is_thought_over_when_a_human_says_so(database: Database, store: Store) -> None:
    bad: list[Said] = ["no", "no", "no"]
    brain = Brain(Analysis=lambda _messages: bad.pop() if bad else None)
    orchestrator = TaskOrchestrator(database=database, model=brain, settings=RunSettings(on_failure="ask"))
    execution_id = await begun(orchestrator, database, store)
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "blocked"
    [gate] = summary["gates"]
    await orchestrator.answer(execution_id, gate["id"], decision="approve")
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert brain.forms["Analysis"] == 4


# Budget


async def test_a_budget_that_is_spent_is_a_question_and_goes_on_from_there(database: Database, store: Store) -> None:
    brain = Brain()  # 110 tokens a call
    orchestrator = TaskOrchestrator(database=database, model=brain, settings=RunSettings(max_tokens=330))
    execution_id = await begun(orchestrator, database, store)
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "blocked"
    assert path(summary)[-2:] == ["planning", "blocked"]
    [gate] = summary["gates"]
    assert gate["question"] == "the models have taken 330 of 330 tokens. How much more may it take?"
    assert brain.forms.total() == 3
    with pytest.raises(GateError, match="'go on' is no number of tokens") as refused:
        await orchestrator.answer(execution_id, gate["id"], text="go on")
    assert "such as 50000" in str(refused.value.hint)
    await orchestrator.answer(execution_id, gate["id"], text="440")
    summary = await orchestrator.run(execution_id)  # the plan, its estimates and tests, the approval: and S1 is done
    assert summary["status"] == "blocked"
    assert path(summary)[-2:] == ["in_progress", "blocked"]
    await orchestrator.answer(execution_id, summary["gates"][-1]["id"], text="100000")
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed", summary["error_message"]
    assert brain.forms.total() == summary["metrics"]["model_calls"] == 12  # nothing was asked twice
    assert [one["status"] for one in summary["subtasks"]] == ["done"] * 3


async def test_an_answer_grants_so_much_beyond_what_has_been_taken_by_then(database: Database, store: Store) -> None:
    brain = Brain()
    orchestrator = TaskOrchestrator(database=database, model=brain, settings=RunSettings(max_tokens=10))
    execution_id = await begun(orchestrator, database, store)
    [gate] = (await orchestrator.run(execution_id))["gates"]
    assert (brain.forms.total(), gate["metadata"]["spent"]) == (1, 110)  # a call goes beyond it by what it takes
    for taken, allowed in ((220, 130), (330, 240)):
        await orchestrator.answer(execution_id, gate["id"], text="20")
        gate = (await orchestrator.run(execution_id))["gates"][-1]
        assert brain.forms.total() == taken // 110
        assert gate["question"].startswith(f"the models have taken {taken} of {allowed} tokens")


async def test_approving_grants_as_much_again_and_rejecting_gives_up(database: Database, store: Store) -> None:
    brain = Brain()
    orchestrator = TaskOrchestrator(database=database, model=brain, settings=RunSettings(max_tokens=660))
    execution_id = await begun(orchestrator, database, store)
    summary = await orchestrator.run(execution_id)
    await orchestrator.answer(execution_id, summary["gates"][-1]["id"], decision="approve")
    assert (await orchestrator.run(execution_id))["metrics"]["model_calls"] == 12
    orchestrator = TaskOrchestrator(database=database, model=Brain(), settings=RunSettings(max_tokens=110))
    execution_id = await begun(orchestrator, database, store)
    summary = await orchestrator.run(execution_id)
    await orchestrator.answer(execution_id, summary["gates"][-1]["id"], decision="reject")
    assert (await orchestrator.run(execution_id))["status"] == "failed"


async def test_an_agent_that_hides_that_nothing_is_left_does_not_hide_it(database: Database, store: Store) -> None:
    class Hiding:
        role = Role.BACKEND_DEVELOPER

        async def work(self, brief: Any) -> Any:
            from scripted import done  # noqa: PLC0415 - as above

            from agents import surroundings  # noqa: PLC0415 - beside its use

            answers = surroundings().answers
            assert answers is not None
            try:
                await answers.admit()
            except Exception:  # noqa: BLE001 - that is what is tested
                return done(brief)
            raise AssertionError

    orchestrator = TaskOrchestrator(
        database=database,
        model=Brain(),
        agents={Role.BACKEND_DEVELOPER: Hiding()},
        settings=RunSettings(max_tokens=660),
    )
    summary = await orchestrator.run(await begun(orchestrator, database, store))
    assert summary["status"] == "blocked"
    assert summary["gates"][-1]["metadata"]["budget"] == "tokens"


async def test_money_is_counted_by_the_user_s_prices(database: Database, store: Store) -> None:
    prices: Any = {"scripted": {"input": 1_000.0, "output": 10_000.0}}  # a call costs 0.2
    settings = RunSettings(max_cost=0.5, prices=prices)
    orchestrator = TaskOrchestrator(database=database, model=Brain(), settings=settings)
    execution_id = await begun(orchestrator, database, store)
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "blocked"
    assert summary["metrics"]["cost"] == pytest.approx(0.6)
    await orchestrator.answer(execution_id, summary["gates"][-1]["id"], text="2.50")
    summary = await orchestrator.run(execution_id)
    assert summary["status"] == "completed"
    assert summary["metrics"]["cost"] == pytest.approx(2.4)


def test_a_limit_of_money_needs_a_price() -> None:
    with pytest.raises(ConfigurationError, match="a limit of cost needs the price of 'given:Brain:scripted'"):
        TaskOrchestrator(model=Brain(), settings=RunSettings(max_cost=1))


async def test_no_deadline_spends_more(database: Database, store: Store) -> None:
    settings = RunSettings(max_tokens=110, gate_deadline_s=60, gate_default="go_on")
    orchestrator = TaskOrchestrator(database=database, model=Brain(), settings=settings)
    summary = await orchestrator.run(await begun(orchestrator, database, store))
    assert summary["gates"][-1]["default_answer"] is None
    assert summary["gates"][-1]["deadline"]


# Answers kept


async def test_what_was_answered_before_a_cancellation_is_not_asked_again(database: Database, store: Store) -> None:
    held = asyncio.Event()

    class Slow(Brain):
        async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            if "Estimates" in str(kwargs.get("tools")) and not held.is_set():
                held.set()
                await asyncio.Event().wait()
            return await super()._agenerate(messages, *args, **kwargs)

    brain = Slow()
    orchestrator = TaskOrchestrator(database=database, model=brain)
    execution_id = await begun(orchestrator, database, store)
    run = asyncio.create_task(orchestrator.run(execution_id))
    await held.wait()
    run.cancel()
    await asyncio.wait([run])
    assert brain.forms["Breakdown"] == 1
    assert (await orchestrator.run(execution_id))["status"] == "completed"
    assert brain.forms.total() == 12


async def test_two_members_at_once_keep_their_answers_apart(database: Database, store: Store) -> None:
    squad = Squad.default()
    double = [one.model_copy(update={"capacity": 2}) for one in squad.members]
    more = SquadMember(id="b2", name="B2", role=Role.BACKEND_DEVELOPER)
    orchestrator = TaskOrchestrator(database=database, model=Brain())
    execution_id = await begun(orchestrator, database, store, Squad(name="double", members=[*double, more]))
    assert (await orchestrator.run(execution_id))["status"] == "completed"

    def look(connection: Any) -> list[int]:
        return [len(load_answers(connection, execution_id, f"S{number}/1")) for number in (1, 2, 3)]

    assert await database.read(look) == [1, 1, 1]
    assert [(one.model, one.calls) for one in await database.read(lambda c: load_usage(c, execution_id))] == [
        ("Brain:scripted", 12)
    ]
    assert await database.read(lambda c: load_logs(c, execution_id))


def test_the_script_answers_every_form() -> None:
    from agents.models import forms  # noqa: PLC0415 - beside its use

    assert all(hasattr(forms, name) for name in answers(""))
    assert calls("x", {}).tool_calls
