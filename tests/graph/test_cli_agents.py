"""Agents of the user's own on the command line: found in the present folder, kept by name, or refused in one line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_process import document, squad

from graph.cli import main

GRAPHS = """
from typing import Any
from langchain_core.messages import AIMessage
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt
from delegation import Role

def write(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Written by a graph.")]}

def ask(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("With " + interrupt("Which hash?"))]}

def graph(node: Any) -> Any:
    return StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile()

AGENTS = {"backend_developer": graph(write)}
ASKING = {Role.BACKEND_DEVELOPER: graph(ask)}
NOBODY = {"wizard": graph(write)}
UNFIT = {"tester": object()}
class inner:
    AGENTS = AGENTS
text = "x"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_agents.py").write_text(GRAPHS)
    (tmp_path / "broken.py").write_text("import no_such_thing_at_all")
    (tmp_path / "leaving.py").write_text("raise SystemExit('bye, sk-abcdefgh12345678')")
    return tmp_path


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder as the present one, for commands inside of this process."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("my_agents", None)


def test_a_graph_in_the_present_folder_plays_its_role(folder):
    done = squad("run", "Implement user login", "--agents", "my_agents:inner.AGENTS", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    summary = document(done.stdout)
    made = {one["role"]: one["deliverable"]["body"] for one in summary["subtasks"]}
    assert made["backend_developer"] == "Written by a graph."
    assert "--agents my_agents:inner.AGENTS" in done.stderr  # in the line that says how to go on


@pytest.mark.usefixtures("here")
def test_its_question_is_answered_and_going_on_without_it_is_refused_by_name(capsys):
    def say(*words: str) -> tuple[int, Any]:
        return main([*words, "--json"]), json.loads(capsys.readouterr().out)

    status, summary = say("run", "Implement user login", "--agents", "my_agents:ASKING")
    assert status == 2
    execution, gates = summary["execution_id"], [gate["id"] for gate in summary["gates"]]
    for gate in gates:
        say("answer", execution, gate, "argon2id", "--no-run")
    status, refused = say("resume", execution)
    assert status == 1
    assert "it had an agent of its own for backend_developer, which is missing" in refused["error"]["message"]
    assert "--agents MODULE:NAME" in refused["error"]["hint"]
    _, summary = say("resume", execution, "--agents", "my_agents:ASKING")
    assert "With argon2id" in [one["deliverable"]["body"] for one in summary["subtasks"] if one["deliverable"]]


@pytest.mark.usefixtures("here")
def test_an_answer_without_them_is_said_to_count_though_nothing_goes_on(capsys):
    main(["run", "Implement user login", "--agents", "my_agents:ASKING", "--json"])
    summary = json.loads(capsys.readouterr().out)
    execution, gate = summary["execution_id"], summary["gates"][0]["id"]
    assert main(["answer", execution, gate, "argon2id"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("squad: the answer is stored, and counts; but it cannot go on in this way\n")
    assert "it had an agent of its own for backend_developer, which is missing" in shown
    main(["status", execution, "--json"])
    assert json.loads(capsys.readouterr().out)["gates"][0]["status"] == "answered"


@pytest.mark.parametrize(
    ("place", "says", "hint"),
    [
        ("no_agents:AGENTS", "no_agents cannot be imported: ModuleNotFoundError", "python -c"),
        ("broken:AGENTS", "no_such_thing_at_all", "python -c"),
        ("leaving:AGENTS", "SystemExit: bye, ***", "python -c"),
        ("my_agents:agents", "my_agents has no agents", "AGENTS, ASKING"),
        ("my_agents:text", "is str, and no mapping", "AGENTS ="),
        ("my_agents:NOBODY", "'wizard' is no role", "the roles are"),
        ("my_agents:UNFIT", "given for tester has no work() method", "agents.RoleAgent"),
        ("my_agents", "names no attribute", "my_agents:AGENTS"),
        ("..:AGENTS", "cannot be imported", "python -c"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_leaves_nothing_behind(here, capsys, place, says, hint):
    assert main(["run", "Implement user login", "--agents", place, "--json"]) in {1, 64}
    shown = capsys.readouterr()
    error = json.loads(shown.out)["error"]
    assert says in error["message"]
    assert hint in error["hint"]
    assert "\n" not in error["message"]
    assert not (here / ".squad").exists()
