"""The scripted server, as the real client of OpenAI-compatible providers sees it."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from graph.consulting import is_passing
from model_server import Broken, Call, ModelServer, Refuse, Say, Script, Slow


class Verdict(BaseModel):
    """A verdict on the work."""

    approved: bool
    why: str


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def server(script: Script) -> Iterator[ModelServer]:
    with ModelServer(script) as running:
        yield running


def client(server: ModelServer, **options: Any) -> ChatOpenAI:
    given: dict[str, Any] = {"model": "scripted", "max_retries": 0, "stream_usage": True, **options}
    return ChatOpenAI(base_url=server.url, api_key=SecretStr("test"), **given)


async def test_words_come_back_with_what_they_took(server, script):
    script.on(Say("It is done."))
    answer = await client(server).ainvoke([("system", "You are the tech lead."), ("human", "Is it done?")])
    assert answer.text == "It is done."
    assert answer.usage_metadata
    assert answer.usage_metadata["output_tokens"] == 3
    assert answer.usage_metadata["input_tokens"] > 3
    (asked,) = server.asked
    assert (asked.system, asked.last, asked.turn) == ("You are the tech lead.", "Is it done?", 0)
    assert server.log[0].whole


async def test_words_come_in_pieces_and_their_count_last(server, script):
    text = "A text that is longer than one piece of a stream, so that there are several."
    script.on(Say(text))
    pieces = [piece async for piece in client(server).astream("go on")]
    assert len([piece for piece in pieces if piece.text]) > 2
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole.text == text
    assert whole.usage_metadata
    assert whole.usage_metadata["output_tokens"] == len(text) // 4 + 1


async def test_a_client_that_wants_no_count_in_a_stream_gets_none(server, script):
    script.on(Say("words"))
    pieces = [piece async for piece in client(server, stream_usage=False).astream("go on")]
    assert not [piece for piece in pieces if piece.usage_metadata]


CALLS = (Call("read", {"path": "a.py"}), Call("read", {"path": "b ü.py", "lines": [1, 2]}))


@tool
def read(path: str) -> str:
    """Read a file."""
    return f"the content of {path}"


async def test_tools_are_called_whole_and_in_pieces(server, script):
    script.on(Say("I look.", CALLS))
    model = client(server).bind_tools([read])
    answer = await model.ainvoke("go on")
    assert [(one["name"], one["args"]) for one in answer.tool_calls] == [(one.name, one.arguments) for one in CALLS]
    streamed = AIMessageChunk("")
    async for piece in model.astream("go on"):
        streamed += piece
    assert streamed.tool_calls == answer.tool_calls
    assert server.asked[0].tools == ["read"]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_structured_output_works_both_ways(server, script, method):
    fields = {"approved": True, "why": "it works"}
    answer = Say(json.dumps(fields)) if method == "json_schema" else Say(calls=(Call("Verdict", fields),))
    script.on(answer, form="Verdict")
    found = await client(server).with_structured_output(Verdict, method=method).ainvoke("well?")
    assert found == Verdict(approved=True, why="it works")


async def test_an_agent_works_with_tools_until_it_fills_in_its_form(server, script):
    script.on(Say(calls=CALLS[:1]), turn=0)
    script.on(lambda asked: Say(calls=(Call("Verdict", {"approved": True, "why": asked.results[0]}),)), turn=1)
    agent: Any = create_agent(client(server), [read], response_format=ToolStrategy(Verdict))
    found = await agent.ainvoke({"messages": [("human", "look at a.py")]})
    assert found["structured_response"] == Verdict(approved=True, why="the content of a.py")
    assert [asked.form for asked in server.asked] == ["Verdict", "Verdict"]


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Refuse(429, "slow down", retry_after=0.01), openai.RateLimitError),
        (Refuse(500), openai.InternalServerError),
        (Refuse(503), openai.InternalServerError),
        (Slow(Say("late")), openai.APITimeoutError),
        (Broken("at once"), openai.APIConnectionError),
        (Broken("midway"), Exception),
    ],
    ids=["429", "500", "503", "late", "at once", "midway"],
)
async def test_a_fault_is_an_error_that_may_pass_and_the_next_call_fares_better(server, script, fault, error, streams):
    script.once(fault).on(Say("now it works"))
    late = {"timeout": 0.2} if isinstance(fault, Slow) else {}
    with pytest.raises(error) as raised:
        await client(server, streaming=streams, **late).ainvoke("go on")
    assert is_passing(raised.value), type(raised.value).__mro__
    assert not server.log[0].whole
    assert (await client(server, streaming=streams).ainvoke("go on")).text == "now it works"
    assert script.left == 0


async def test_the_client_tries_again_by_itself_when_it_is_told_to(server, script):
    script.once(Refuse(429, retry_after=0.01)).on(Say("yes"))
    assert (await client(server, max_retries=1).ainvoke("go on")).text == "yes"
    assert len(server.log) == 2


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_is_no_json_is_an_error_that_may_pass(server, script, streams):
    script.on(Broken("json"))
    with pytest.raises(json.JSONDecodeError) as raised:
        await client(server, streaming=streams).ainvoke("go on")
    assert is_passing(raised.value)


async def test_arguments_that_are_no_json_are_an_invalid_call(server, script):
    script.on(Say(calls=(Call("read", '{"path": "a.py'),)))
    answer = await client(server).bind_tools([read]).ainvoke("go on")
    assert isinstance(answer, AIMessage)
    assert answer.tool_calls == []
    assert answer.invalid_tool_calls[0]["args"] == '{"path": "a.py'


async def test_what_the_script_does_not_know_is_refused_by_name(server, script):
    script.on(Say("x"), form="Other")
    with pytest.raises(openai.BadRequestError, match="no answer for read"):
        await client(server).bind_tools([read]).ainvoke("go on")
    assert len(server.unscripted) == 1


async def test_many_ask_at_once_and_each_gets_its_own_answer(server, script):
    script.on(lambda asked: Say(asked.last.upper()))
    answers = await asyncio.gather(*[client(server).ainvoke(f"number {number}") for number in range(20)])
    assert [one.text for one in answers] == [f"NUMBER {number}" for number in range(20)]


async def test_a_held_answer_waits_to_be_let_go(server, script):
    held = Slow(Say("at last"))
    script.on(held)
    waiting = asyncio.create_task(client(server).ainvoke("go on"))
    await asyncio.to_thread(server.wait_for, lambda: server.log)
    assert not waiting.done()
    held.until.set()
    assert (await waiting).text == "at last"


async def test_the_same_question_has_the_same_digest_and_data_is_found_by_its_name(server, script):
    script.on(Say("yes"))
    told = 'x\n<data from="your subtask">\n{"id": "S2", "title": "y"}\n</data>\n<data from="other">\nz\n</data>'
    for text in (told, told, "something else"):
        await client(server).ainvoke(text)
    first, second, other = server.asked
    assert first.digest == second.digest != other.digest
    assert (first.subtask, first.told("other"), other.subtask) == ("S2", "z", "")
