"""Answers kept: what was asked in a step is not asked again when the step is made again."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from scripted_model import ScriptedModel, calls, in_turn

from agents.models.kept import keeping
from agents.surroundings import Usage
from delegation import BudgetSpent


class Journal:
    """A journal in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.usages: list[Usage] = []
        self.is_spent = False

    async def find(self, key: str) -> dict[str, Any] | None:
        return self.kept.get(key)

    async def admit(self) -> None:
        if self.is_spent:
            raise BudgetSpent("tokens", 10, 10, 10)

    async def keep(self, key: str, answer: Mapping[str, Any], usage: Usage) -> None:
        assert key not in self.kept
        self.kept[key] = dict(answer)
        self.usages.append(usage)


@tool
def look(path: str) -> str:
    """Look at a file."""
    return path


async def test_a_kept_answer_is_given_again_and_not_asked() -> None:
    journal, first = Journal(), ScriptedModel(script=in_turn(calls("look", {"path": "a"})))
    said = await keeping(first, journal, "m").bind_tools([look]).ainvoke("what now?")
    again = ScriptedModel(script=in_turn())
    replayed = await keeping(again, journal, "m").bind_tools([look]).ainvoke("what now?")
    assert replayed.tool_calls == said.tool_calls
    assert replayed.id == said.id
    assert again.asked == []
    assert journal.usages == [Usage("m", 10, 5)]
    assert first.cache is None  # the caller's own model is left alone


async def test_the_same_question_asked_twice_has_two_answers_in_their_order() -> None:
    journal, model = Journal(), ScriptedModel(script=in_turn("first", "second"))
    one = keeping(model, journal, "m")
    assert [(await one.ainvoke("toss")).text, (await one.ainvoke("toss")).text] == ["first", "second"]
    replay = keeping(ScriptedModel(script=in_turn("third")), journal, "m")
    assert [(await replay.ainvoke("toss")).text for _ in range(3)] == ["first", "second", "third"]


@pytest.mark.parametrize(
    "other",
    [
        [SystemMessage("Be kind."), HumanMessage("what now?")],
        [SystemMessage("Be short."), HumanMessage("what then?")],
        [SystemMessage("Be short."), HumanMessage("what now?"), AIMessage("this"), HumanMessage("and?")],
    ],
)
async def test_another_question_is_asked(other: list[Any]) -> None:
    journal, model = Journal(), ScriptedModel(script=in_turn("one", "two"))
    await keeping(model, journal, "m").ainvoke([SystemMessage("Be short."), HumanMessage("what now?")])
    assert (await keeping(model, journal, "m").ainvoke(other)).text == "two"


async def test_other_tools_are_another_question() -> None:
    journal, model = Journal(), ScriptedModel(script=in_turn("one", "two"))
    await keeping(model, journal, "m").ainvoke("what now?")
    assert (await keeping(model, journal, "m").bind_tools([look]).ainvoke("what now?")).text == "two"


async def test_what_a_tool_gave_back_is_no_part_of_the_question() -> None:
    def after(result: str) -> list[Any]:
        return [HumanMessage("test it"), calls("look", {"path": "a"}), ToolMessage(result, tool_call_id="call-1")]

    journal, model = Journal(), ScriptedModel(script=in_turn("fine"))
    await keeping(model, journal, "m").ainvoke(after("1 passed in 0.31s"))
    assert (await keeping(model, journal, "m").ainvoke(after("1 passed in 0.29s"))).text == "fine"


async def test_what_is_spent_stops_what_was_not_kept_and_nothing_else() -> None:
    journal, model = Journal(), ScriptedModel(script=in_turn("one"))
    await keeping(model, journal, "m").ainvoke("a")
    journal.is_spent = True
    replay = keeping(model, journal, "m")
    assert (await replay.ainvoke("a")).text == "one"
    with pytest.raises(BudgetSpent):
        await replay.ainvoke("b")
    assert len(model.asked) == 1


async def test_a_failed_call_is_kept_nowhere_and_asked_again_under_the_same_key() -> None:
    journal, model = Journal(), ScriptedModel(script=in_turn(TimeoutError("slow"), "there"))
    with pytest.raises(TimeoutError):
        await keeping(model, journal, "m").ainvoke("a")
    assert not journal.kept
    assert (await keeping(model, journal, "m").ainvoke("a")).text == "there"


async def test_tokens_that_no_provider_counts_are_estimated() -> None:
    journal, model = Journal(), ScriptedModel(script=in_turn("x" * 400))
    await keeping(model, journal, "m").ainvoke("y" * 4_000)
    [usage] = journal.usages
    assert usage.input_tokens >= 1_000
    assert usage.output_tokens == 100


async def test_a_response_s_headers_are_not_kept() -> None:
    said = AIMessage("hi", response_metadata={"headers": {"set-cookie": "s3cret"}, "model_name": "m1"})
    journal, model = Journal(), ScriptedModel(script=in_turn(said))
    await keeping(model, journal, "m").ainvoke("a")
    assert "s3cret" not in str(journal.kept)
    assert "m1" in str(journal.kept)


ASKS = """
import asyncio, sys
from typing import Any
from langchain_openai import ChatOpenAI
from langchain_core.tools import tool
from pydantic import BaseModel
from agents.models.kept import keeping

class Form(BaseModel):
    "A form."
    names: set[str]

@tool
def look(path: str) -> str:
    "Look."
    return path

class Journal:
    async def find(self, key: str) -> Any:
        print(key)
        raise SystemExit

asyncio.run(keeping(ChatOpenAI(model="m", api_key=sys.argv[1]), Journal(), "m")
            .bind_tools([look, Form], tool_choice="any").ainvoke("hello"))
"""


@pytest.mark.slow
def test_a_question_has_the_same_key_in_another_process_and_under_another_api_key() -> None:
    keys = set()
    for number in (1, 2):
        environment = os.environ | {"PYTHONHASHSEED": str(number)}
        run = subprocess.run(
            [sys.executable, "-c", ASKS, f"secret-{number}"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        keys.add(run.stdout.strip())
        assert run.stdout.strip(), run.stderr
    assert len(keys) == 1
