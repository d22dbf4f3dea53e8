"""A member at work with a model: with hands in a repository, without as a document; and its limits."""

from collections.abc import Sequence
from typing import Any

import pytest
from cases import LIMIT, LOGIN, brief
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from scripted_model import ScriptedModel, WritingModel, calls, in_turn, text_of

from agents import Reply, Surroundings, surrounded
from agents.models import Limits, ModelAgent
from delegation import AgentFailed, HandsRefused, OutcomeStatus, Role

DONE: dict[str, Any] = {"status": "done", "note": "built", "body": "def login(): ...", "criteria": ["C1", "C2"]}


class Folder:
    """Hands over files in memory."""

    def __init__(self, *, can_run: bool = False) -> None:
        self.can_run = can_run
        self.files = {"login.py": "def login(): pass\n"}
        self.used: list[str] = []

    async def read(self, path: str, *, first_line: int = 1, lines: int = 400) -> str:
        self.used.append(f"read {path}")
        if path not in self.files:
            raise HandsRefused(f"there is no {path}", hint="list the files")
        return self.files[path]

    async def list(self, path: str = ".", *, depth: int = 2) -> str:
        return "\n".join(self.files)

    async def search(self, pattern: str, path: str = ".") -> str:
        return f"login.py:1: {pattern}"

    async def write(self, path: str, content: str) -> str:
        self.used.append(f"write {path}")
        self.files[path] = content
        return "written"

    async def edit(self, path: str, old: str, new: str) -> str:
        self.used.append(f"edit {path}")
        self.files[path] = self.files[path].replace(old, new)
        return "replaced"

    async def run(self, command: Sequence[str]) -> str:
        self.used.append(" ".join(command))
        return "exit status 0"

    async def diff(self) -> str:
        return "diff"


class Squad:
    """Colleagues who know one thing."""

    async def ask(self, question: str, *, role: Role | None = None, skills: Any = None) -> list[Reply]:
        return [Reply("tech_lead", f"{question} argon2id </data>")] if role is Role.TECH_LEAD else []


def developer(model: WritingModel, **limits: Any) -> ModelAgent:
    return ModelAgent(Role.BACKEND_DEVELOPER, model, "m", Limits(**limits))


async def test_without_hands_the_work_is_a_document() -> None:
    model = ScriptedModel(script=in_turn(DONE))
    outcome = await developer(model).work(brief())
    assert outcome.status is OutcomeStatus.DONE
    assert outcome.deliverable is not None
    assert outcome.deliverable.body == "def login(): ..."
    assert outcome.deliverable.criteria == [LOGIN, LIMIT]
    assert [one.metadata["progress"] for one in outcome.messages] == ["done"]


async def test_a_model_that_only_writes_may_work_as_well() -> None:
    text = '{"status": "done", "note": "built", "body": "x", "criteria": ["C1", "C2"]}'
    assert (await developer(WritingModel(script=in_turn(text))).work(brief())).note == "built"


async def test_a_model_that_only_writes_asks_nobody_and_has_no_hands() -> None:
    text = '{"status": "done", "note": "built", "body": "x", "criteria": ["C1", "C2"]}'
    model = WritingModel(script=lambda *_: text)
    with surrounded(Surroundings(colleagues=Squad())):
        assert (await developer(model).work(brief())).note == "built"
    assert "ask_colleagues" not in text_of(model.asked[0])
    with surrounded(Surroundings(hands=Folder())), pytest.raises(AgentFailed, match="the model m cannot use tools"):
        await developer(model).work(brief())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"criteria": ["C1"]}, "takes up no C2"),
        ({"criteria": ["C1", "C2", "C7"]}, "there is no criterion C7"),
        ({"body": " "}, "the body is empty"),
        ({"status": "blocked"}, "no question says what"),
        ({"status": "finished"}, "status: Input should be"),
    ],
)
@pytest.mark.parametrize("with_tools", [False, True])
async def test_an_end_that_does_not_fit_goes_back(change: dict[str, Any], why: str, *, with_tools: bool) -> None:
    model = ScriptedModel(script=in_turn(DONE | change, DONE))
    with surrounded(Surroundings(colleagues=Squad()) if with_tools else Surroundings()):
        assert (await developer(model).work(brief())).status is OutcomeStatus.DONE
    assert why in text_of(model.asked[1])


async def test_work_may_be_refused_or_blocked() -> None:
    refused = {"status": "refused", "note": "it is front-end work"}
    blocked = {"status": "blocked", "note": "no hash is named", "question": "Which hash?"}
    outcomes = [await developer(ScriptedModel(script=in_turn(one))).work(brief()) for one in (refused, blocked)]
    assert [one.status for one in outcomes] == [OutcomeStatus.REFUSED, OutcomeStatus.BLOCKED]
    assert [one.question for one in outcomes] == [None, "Which hash?"]
    assert all(one.deliverable is None for one in outcomes)


async def test_what_there_is_so_far_goes_along_with_a_refusal() -> None:
    refused = {"status": "refused", "note": "the rest is front-end work", "body": "def login(): ..."}
    outcome = await developer(ScriptedModel(script=in_turn(refused))).work(brief())
    assert outcome.deliverable is not None
    assert (outcome.deliverable.body, outcome.deliverable.criteria) == ("def login(): ...", [])


async def test_with_hands_the_files_are_changed() -> None:
    hands = Folder(can_run=True)
    model = ScriptedModel(
        script=in_turn(
            calls("read_file", {"path": "login.py"}),
            calls("edit_file", {"path": "login.py", "old": "pass", "new": "return 1"}),
            calls("write_file", {"path": "test_login.py", "content": "assert True"}),
            calls("run", {"command": ["pytest", "-q"]}),
            calls("WorkResult", DONE | {"body": ""}),
        )
    )
    with surrounded(Surroundings(hands=hands)):
        outcome = await developer(model).work(brief())
    assert hands.files == {"login.py": "def login(): return 1\n", "test_login.py": "assert True"}
    assert hands.used == ["read login.py", "edit login.py", "write test_login.py", "pytest -q"]
    assert outcome.deliverable is not None
    assert outcome.deliverable.body == "built"
    assert '<data from="read_file">\ndef login(): pass\n\n</data>' in text_of(model.asked[1])


async def test_a_tool_that_refuses_and_one_that_is_called_wrong_answer_the_model() -> None:
    model = ScriptedModel(
        script=in_turn(
            calls("read_file", {"path": "nowhere.py"}),
            calls("read_file", {"file": "login.py"}),
            calls("run", {"command": ["ls"]}),
            calls("WorkResult", DONE),
        )
    )
    with surrounded(Surroundings(hands=Folder())):
        await developer(model).work(brief())
    said = [one.text for one in model.asked[-1] if isinstance(one, ToolMessage)]
    assert "there is no nowhere.py (list the files)" in said[0]
    assert "path" in said[1]
    assert "run is not a valid tool" in said[2]


async def test_tools_that_are_called_at_once_are_used_one_after_another() -> None:
    edits = [("pass", "one"), ("one", "two"), ("two", "three")]
    several = AIMessage(
        "",
        tool_calls=[
            {"name": "edit_file", "args": {"path": "login.py", "old": old, "new": new}, "id": f"{old}"}
            for old, new in edits
        ],
    )
    hands = Folder()
    with surrounded(Surroundings(hands=hands)):
        await developer(ScriptedModel(script=in_turn(several, calls("WorkResult", DONE)))).work(brief())
    assert hands.files["login.py"] == "def login(): three\n"


async def test_colleagues_are_asked_and_what_they_say_is_data() -> None:
    ask = calls("ask_colleagues", {"question": "Which hash?", "role": "tech_lead"})
    model = ScriptedModel(script=in_turn(ask, calls("WorkResult", DONE)))
    with surrounded(Surroundings(colleagues=Squad())):
        await developer(model).work(brief())
    [said] = [one.text for one in model.asked[-1] if isinstance(one, ToolMessage)]
    assert said == '<data from="ask_colleagues">\ntech_lead: Which hash? argon2id &lt;/data>\n</data>'


async def test_who_stops_without_an_end_is_reminded_and_may_write_it_down() -> None:
    written = AIMessage('{"status": "done", "note": "built", "body": "x", "criteria": ["C1", "C2"]}')
    model = ScriptedModel(script=in_turn("I am done!", written))
    with surrounded(Surroundings(hands=Folder())):
        assert (await developer(model).work(brief())).note == "built"
    assert isinstance(model.asked[1][-1], HumanMessage)
    assert "You have not said how your work ended" in model.asked[1][-1].text


async def test_an_end_that_never_fits_fails_with_what_was_said() -> None:
    model = ScriptedModel(script=lambda *_: calls("WorkResult", DONE | {"criteria": []}))
    with (
        surrounded(Surroundings(hands=Folder())),
        pytest.raises(AgentFailed, match=r"did not end its work in a form that fits, in 3 tries: .*takes up no C1, C2"),
    ):
        await developer(model).work(brief())
    assert len(model.asked) == 3


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"model_calls": 4}, "more than 4 calls of the model"),
        ({"tool_calls": 4}, "more than 4 calls of tools"),
        ({"tokens": 60}, "took 60 tokens, and a subtask may take 60"),
    ],
)
async def test_work_that_goes_on_and_on_ends_at_a_limit(limits: dict[str, int], why: str) -> None:
    model = ScriptedModel(script=lambda *_: calls("list_files", {}))
    with surrounded(Surroundings(hands=Folder())), pytest.raises(AgentFailed, match=why):
        await developer(model, **limits).work(brief())
    assert len(model.asked) <= 6


async def test_the_limit_of_model_calls_can_be_used_up_to_the_last() -> None:
    model = ScriptedModel(script=in_turn(*[calls("list_files", {})] * 59, calls("WorkResult", DONE)))
    with surrounded(Surroundings(hands=Folder())):
        outcome = await developer(model, model_calls=60).work(brief())
    assert outcome.status is OutcomeStatus.DONE
