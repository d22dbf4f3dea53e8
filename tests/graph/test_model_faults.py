"""The same story with a fault in each place: it ends completed, or blocked with a question that says what is wrong."""

import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import Running, document, squad
from model_server import Broken, Call, ModelServer, Refuse, Say, Script, Slow
from model_story import KEY, TASK, TEST_COMMAND, WHOLE, place, shop, story
from programs import wait_until
from repositories import git

from graph import RunSettings, TaskOrchestrator
from persistence import Database

Store = Callable[..., Awaitable[Any]]
QUICK = {"retry_wait_s": 0.0, "retry_ceiling_s": 0.0}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return shop(tmp_path / "shop")


@pytest.fixture
def script() -> Script:
    return story()


@pytest.fixture
def server(script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    with ModelServer(script) as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield running
    assert running.unscripted == []


async def begun(database: Database, store: Store, repository: Path, **settings: Any) -> tuple[TaskOrchestrator, str]:
    chosen = RunSettings(workspace=str(repository), test_command=TEST_COMMAND, **{**QUICK, **settings})
    orchestrator = TaskOrchestrator(database=database, model="openai:scripted", settings=chosen)
    stored = await store(database, TASK)
    async with database.session() as db:
        execution = await orchestrator.execute_task(db=db, task=stored.task, squad_id=stored.squad.id)
    return orchestrator, str(execution)


def asked_once(server: ModelServer) -> None:
    """Check that no answer that came whole was asked for again, and that the whole story was told."""
    assert Counter(place(one.asked) for one in server.log if one.whole) == WHOLE


PLACES: list[dict[str, Any]] = [
    {"form": "Analysis"},
    {"form": "Assessment"},
    {"form": "Breakdown"},
    {"form": "Estimates"},
    {"form": "TestPlan"},
    {"form": "ScheduleApproval"},
    {"form": "WorkResult", "subtask": "S1", "turn": 0},
    {"form": "WorkResult", "subtask": "S1", "turn": 2},
    {"form": "WorkResult", "subtask": "S2", "turn": 1},
    {"form": "WorkResult", "subtask": "S3", "turn": 1},
    {"form": "StandupSummary"},
    {"form": "ReviewForm"},
    {"form": "TestVerdict"},
]
FAULTS = [Refuse(429, "slow down", retry_after=0.01), Refuse(503), Broken("at once"), Broken("midway"), Broken("json")]


@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.slow) for turn in range(1, len(FAULTS)))])
async def test_a_fault_that_passes_in_each_place_changes_nothing_and_no_kept_answer_is_asked_for_again(
    database: Database, store: Store, script: Script, server: ModelServer, repository: Path, turn: int
) -> None:
    for number, where in enumerate(PLACES):
        script.once(FAULTS[(number + turn) % len(FAULTS)], **where)
    orchestrator, execution = await begun(database, store, repository)
    summary = await orchestrator.run(execution)
    assert summary["status"] == "completed", summary["error_message"]
    assert script.left == 0
    asked_once(server)
    assert len(server.log) == WHOLE.total() + len(PLACES)


BAD_PLAN = Say(calls=(Call("Breakdown", {"subtasks": [{"id": "S1", "title": "x", "kind": "test", "role": "wizard"}]}),))
UNSERVED = Say(calls=(Call("Breakdown", {"subtasks": [{"id": "S1", "title": "x", "kind": "test", "role": "tester"}]}),))
NO_JSON = Say(calls=(Call("Breakdown", '{"subtasks": [{"id": "S1"'),))
WORDS = Say("I would rather talk about something else.")


async def test_a_plan_that_does_not_fit_goes_back_with_the_reason_twice(
    database: Database, store: Store, script: Script, server: ModelServer, repository: Path
) -> None:
    script.once(UNSERVED, form="Breakdown").once(NO_JSON, form="Breakdown")
    orchestrator, execution = await begun(database, store, repository, approval="human")
    summary = await orchestrator.run(execution)
    assert summary["status"] == "blocked"
    assert [one["id"] for one in summary["subtasks"]] == ["S1", "S2", "S3"]
    _, second, third = [one for one in server.asked if one.form == "Breakdown"]
    assert "no subtask serves C1 (From 100.00" in second.told("why it cannot be used")
    assert "JSON" in third.told("why it cannot be used")


@pytest.mark.parametrize(
    ("answer", "says"),
    [(BAD_PLAN, "wizard"), (NO_JSON, "JSON"), (WORDS, "something else")],
    ids=["an unknown role", "broken JSON", "words"],
)
@pytest.mark.parametrize("on_failure", ["fail", "ask"])
async def test_one_that_never_fits_ends_the_task_or_asks_with_what_was_said(
    database: Database, store: Store, script: Script, server: ModelServer, repository: Path, answer, says, on_failure
) -> None:
    for _ in range(3):
        script.once(answer, form="Breakdown")
    orchestrator, execution = await begun(database, store, repository, on_failure=on_failure)
    summary = await orchestrator.run(execution)
    assert len([one for one in server.asked if one.form == "Breakdown"]) == 3
    if on_failure == "fail":
        assert summary["status"] == "failed"
        assert says in summary["error_message"]
        return
    assert summary["status"] == "blocked"
    (gate,) = summary["gates"]
    assert "gave no answer that fits" in gate["question"]
    assert says in gate["question"]


async def test_a_tool_that_refuses_is_told_to_the_model_which_does_otherwise(
    database: Database, store: Store, script: Script, server: ModelServer, repository: Path
) -> None:
    wrong = {
        "S1": [Call("edit_file", {"path": "shop/prices.py", "old": "no such line", "new": "x"})],
        "S2": [Call("delete_everything", {})],
        "S3": [
            Call("read_file", {"path": "../../secret"}),
            Call("write_file", {"path": ".git/hooks/x", "content": ""}),
        ],
    }
    for subtask, calls in wrong.items():
        for turn, call in enumerate(calls):
            script.once(Say(calls=(call,)), form="WorkResult", subtask=subtask, turn=turn)
    orchestrator, execution = await begun(database, store, repository)
    summary = await orchestrator.run(execution)
    assert summary["status"] == "completed", summary["error_message"]
    ends = {one.subtask: one.results for one in server.asked if one.form == "WorkResult"}
    assert [len([one for one in ends[subtask] if "Refused. Nothing was done." in one]) for subtask in ("S1", "S3")] == [
        1,
        2,
    ]
    told = [result for one in server.asked for result in one.results]
    assert any("delete_everything is not a valid tool" in one for one in told)
    assert len(server.log) == WHOLE.total() + 4


@pytest.mark.slow
async def test_a_model_that_never_answers_is_a_question_and_the_answer_lets_it_go_on(
    database: Database, store: Store, script: Script, server: ModelServer, repository: Path
) -> None:
    script.once(Slow(Say("too late")), form="Breakdown")
    orchestrator, execution = await begun(database, store, repository, on_failure="ask", subtask_timeout_s=15)
    summary = await orchestrator.run(execution)
    assert summary["status"] == "blocked"
    (gate,) = summary["gates"]
    assert "did not end within 15 s" in gate["question"]
    await orchestrator.answer(execution, gate["id"], text="it is up again")
    summary = await orchestrator.run(execution)
    assert summary["status"] == "completed", summary["error_message"]
    asked_once(server)


async def test_a_budget_that_runs_out_is_a_question_and_goes_on_once_it_is_topped_up(
    database: Database, store: Store, server: ModelServer, repository: Path
) -> None:
    orchestrator, execution = await begun(database, store, repository, max_tokens=9_000)
    summary = await orchestrator.run(execution)
    assert summary["status"] == "blocked"
    (gate,) = summary["gates"]
    assert "tokens" in gate["question"]
    assert 0 < len(server.log) < WHOLE.total()
    await orchestrator.answer(execution, gate["id"], text="1000000")
    summary = await orchestrator.run(execution)
    assert summary["status"] == "completed", summary["error_message"]
    asked_once(server)


def started(repository: Path, folder: Path) -> Running:
    model = ["--model", "openai:scripted", "--workspace", repository, "--test-command", TEST_COMMAND]
    task = folder / "task.md"
    criteria = "\n".join(f"- {one}" for one in TASK.acceptance_criteria)
    task.write_text(f"# {TASK.title}\n\n{TASK.description}\n\n## Acceptance criteria\n\n{criteria}\n")
    return Running("run", task, *model, "--json", cwd=folder)


def finished(execution: str, folder: Path) -> dict[str, Any]:
    done = squad("resume", execution, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = document(done.stdout)
    commits = Counter(one["subtask_id"] for one in summary["result"]["workspace"]["commits"])
    assert commits == {"S1": 1, "S2": 2}
    assert summary["result"]["workspace"]["tests"]["status"] == 0
    return summary


KILLED_AT: dict[str, list[dict[str, Any]]] = {
    "the analysis": [{"form": "Assessment"}],
    "planning": [{"form": "TestPlan"}],
    "two at work": [
        {"form": "WorkResult", "subtask": "S1", "turn": 2},
        {"form": "WorkResult", "subtask": "S2", "turn": 1},
    ],
    "the review": [{"form": "ReviewForm"}],
    "mending": [{"form": "WorkResult", "subtask": "S2", "turn": 1, "about": lambda about: "has to be mended" in about}],
    "the tests": [{"form": "TestVerdict"}],
}


@pytest.mark.slow
@pytest.mark.parametrize("held", KILLED_AT.values(), ids=KILLED_AT)
def test_after_kill_9_while_answers_are_waited_for_no_answer_that_had_come_is_asked_for_again(
    script: Script, server: ModelServer, repository: Path, tmp_path: Path, held: list[dict[str, Any]]
) -> None:
    for where in held:
        script.once(Slow(Say("nobody hears this")), **where)
    with started(repository, tmp_path) as running:
        execution = running.execution()
        server.wait_for(lambda: script.left == 0)
        running.send(signal.SIGKILL)
        running.process.wait()
    finished(execution, tmp_path)
    asked_once(server)


@pytest.mark.slow
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("commits", [1, 2, 3])
def test_after_kill_9_between_the_commit_and_its_record_each_subtask_has_one_commit_a_round(
    repository: Path, tmp_path: Path, commits: int
) -> None:
    with started(repository, tmp_path) as running:
        execution = running.execution()
        branch = repository / ".git" / "refs" / "heads" / "squad" / execution

        def committed() -> bool:
            if not branch.exists():
                return False
            return int(git(repository, "rev-list", "--count", f"main..squad/{execution}")) >= commits

        wait_until(committed)
        running.send(signal.SIGKILL)
        running.process.wait()
    finished(execution, tmp_path)
