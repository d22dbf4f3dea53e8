"""The graph under a real LangGraph server, as Studio drives it."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client

from delegation import Role
from graph import TaskOrchestrator
from persistence import Database, TaskExecutionService

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).resolve().parents[2]
TASK = {"title": "Implement user login"}
ALONE = {"members": [{"id": "m1", "name": "Ada", "role": "project_manager"}]}
EIGHT_STATES = ["analyzing", "planning", "delegated", "in_progress", "reviewing", "testing", "completed"]


@dataclass(frozen=True)
class Server:
    """A running server: its address, its log, and the database that it was told to use."""

    url: str
    log: Path
    database: Path

    def complaints(self) -> list[str]:
        """Return what the log holds beyond information; a server of a test has no reason to warn."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if any(f"[{level}" in line for level in ("warning", "error", "critical"))]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """``langgraph dev`` as `make studio` starts it, in a folder of its own so that it leaves nothing in the project."""
    pytest.importorskip("langgraph_api", reason="the server is an extra: pip install -r requirements-studio.txt")
    folder = tmp_path_factory.mktemp("studio")
    config = (ROOT / "langgraph.json").read_text(encoding="utf-8").replace("./", f"{ROOT}/").replace('"."', f'"{ROOT}"')
    (folder / "langgraph.json").write_text(config, encoding="utf-8")
    port, log, database = free_port(), folder / "log", folder / "squad.db"
    settings = {
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LOG_COLOR": "false",
        "SQUAD_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
    }
    command = [sys.executable, "-m", "langgraph_cli", "dev", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--no-browser", "--no-reload"], cwd=folder, env=os.environ | settings, stdout=out, stderr=out
        )
        try:
            yield Server(f"http://127.0.0.1:{port}", log, database)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Any]:
    """A client of the server, once it answers."""
    async with get_client(url=server.url) as client:
        for _ in range(300):
            try:
                await client.assistants.search()
                break
            except Exception:  # noqa: BLE001 - whatever a server that is not up yet makes of it
                await asyncio.sleep(0.2)
        else:
            pytest.fail(server.log.read_text(encoding="utf-8"))
        yield client


@pytest.fixture
async def stored(server: Server, client: Any) -> AsyncIterator[Database]:
    """The server's database, opened by this process as well."""
    del client
    async with await Database.open(str(server.database)) as database:
        yield database


async def the_assistant(client: Any) -> dict[str, Any]:
    (assistant,) = await client.assistants.search()
    assert assistant["graph_id"] == "squad"
    return dict(assistant)


async def test_the_schemas_are_forms_with_a_text_per_field(client: Any) -> None:
    schemas = await client.assistants.get_schemas((await the_assistant(client))["assistant_id"])
    assert set(schemas["input_schema"]["properties"]) == {"task", "squad"}
    assert {"execution_id", "status", "transitions", "subtasks"} <= set(schemas["output_schema"]["properties"])
    settings = schemas["context_schema"]["properties"]
    assert settings["max_reworks"]["default"] == 3
    assert all(field["description"] for field in settings.values())


async def test_the_board_is_drawn_with_a_node_for_each_role(client: Any) -> None:
    drawn = await client.assistants.get_graph((await the_assistant(client))["assistant_id"], xray=True)
    nodes = {node["id"] for node in drawn["nodes"]}
    assert {f"in_progress:{role.value}" for role in Role} < nodes
    assert {"pending", "blocked", "completed", "failed"} < nodes


async def test_a_run_completes_and_everything_is_in_the_database(client: Any, stored: Database) -> None:
    thread = await client.threads.create()
    summary = await client.runs.wait(thread["thread_id"], "squad", input={"task": TASK}, context={"max_reworks": 2})
    assert summary["status"] == "completed"
    assert [move["to_state"] for move in summary["transitions"]] == EIGHT_STATES
    assert {subtask["status"] for subtask in summary["subtasks"]} == {"done"}
    execution_id = summary["execution_id"]
    assert await TaskOrchestrator(database=stored).get_execution_summary(execution_id) == summary
    async with stored.session() as db:
        row = await TaskExecutionService.get_task_execution(db, execution_id)
    assert (row.status, row.thread_id) == ("completed", thread["thread_id"])
    values = (await client.threads.get_state(thread["thread_id"]))["values"]
    assert len(values["plan"]["subtasks"]) == len(summary["subtasks"])


async def test_a_thread_that_has_ended_takes_a_new_task(client: Any) -> None:
    thread = await client.threads.create()
    first = await client.runs.wait(thread["thread_id"], "squad", input={"task": TASK})
    second = await client.runs.wait(thread["thread_id"], "squad", input={"task": "Export orders as CSV"})
    assert first["execution_id"] != second["execution_id"]
    assert second["task"]["title"] == "Export orders as CSV"
    assert second["status"] == "completed"


async def test_an_interrupt_asks_again_after_a_bad_answer_and_goes_on_after_a_good_one(
    client: Any, stored: Database
) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "squad", input={"task": TASK, "squad": ALONE})
    asked = await the_question(client, thread_id)
    assert asked["error"] is None
    assert asked["action_requests"][0]["name"] == "escalation"

    await client.runs.wait(thread_id, "squad", command={"resume": {"decisions": [{"type": "no such decision"}]}})
    again = await the_question(client, thread_id)
    assert again["error"]
    assert again["action_requests"] == asked["action_requests"]

    decision = {"type": "respond", "message": "nobody is free", "next_state": "failed"}
    summary = await client.runs.wait(thread_id, "squad", command={"resume": {"decisions": [decision]}})
    assert summary["status"] == "failed"
    assert [gate["status"] for gate in summary["gates"]] == ["answered"]
    assert await TaskOrchestrator(database=stored).get_execution_summary(summary["execution_id"]) == summary


async def test_a_question_answered_elsewhere_is_not_asked_again(client: Any, stored: Database) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "squad", input={"task": TASK, "squad": ALONE})
    gate = (await the_question(client, thread_id))["action_requests"][0]["args"]
    orchestrator = TaskOrchestrator(database=stored)
    await orchestrator.answer(gate["execution_id"], gate["id"], text="nobody is free", next_state="failed")
    summary = await client.runs.wait(thread_id, "squad", input=None)
    assert summary["status"] == "failed"
    assert len(summary["transitions"]) == 5


async def test_new_input_on_a_thread_whose_execution_is_open_is_refused(client: Any) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "squad", input={"task": TASK, "squad": ALONE})
    with pytest.raises(Exception, match="ExecutionBusy"):
        await client.runs.wait(thread_id, "squad", input={"task": TASK})


async def test_the_server_has_nothing_to_warn_of(server: Server, client: Any) -> None:
    thread_id = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread_id, "squad", input={"task": TASK})
    log = server.log.read_text(encoding="utf-8")
    assert "BlockingError" not in log
    unexpected = [line for line in server.complaints() if "ExecutionBusy" not in line and "format_exc_info" not in line]
    assert unexpected == []  # the server's own way with a refused run's traceback aside


async def the_question(client: Any, thread_id: str) -> dict[str, Any]:
    """Return the payload of the thread's one interrupt."""
    state = await client.threads.get_state(thread_id)
    (interrupt,) = state["interrupts"]
    return dict(interrupt["value"])
