"""Asking a model for a judgement in a given form, and once more with the reason where the answer does not fit.

The form is offered as a tool that has to be called, since that is what most providers and local servers understand;
a model that calls no tools, or does not this time, may write the same as JSON.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ValidationError

from agents.models.marking import data
from agents.models.prompting import joined
from delegation import AgentFailed

__all__ = ["TRIES", "ask", "calls_tools", "misfit", "read", "said_in", "trouble_of", "why_unfit"]

S = TypeVar("S", bound=BaseModel)
T = TypeVar("T")

TRIES = 3
"""How often an answer is asked for: once, and twice more where it does not fit."""

_SHOWN = 4_000
_NAMED = 5
_BEGINNINGS = 50
"""So many opening braces are tried as the beginning of the JSON in a text."""


async def ask(model: BaseChatModel, system: str, about: str, form: type[S], check: Callable[[S], T]) -> T:
    """Ask until an answer fits, and return what ``check`` makes of it.

    Args:
        model: any chat model.
        system: the instructions.
        about: what they are about, as data.
        form: the answer's fields; its docstring tells the model what it is.
        check: returns the judgement, or raises ValueError with the reason why it cannot be used.

    Raises:
        AgentFailed: no answer fitted; it says what the last one was and what was wrong with it.
    """
    how = _how(form, with_tool=calls_tools(model))
    asked = joined([about, how])
    for _ in range(TRIES):
        answer = await _called(model, form, [SystemMessage(system), HumanMessage(asked)])
        try:
            return check(read(answer, form))
        except ValueError as error:
            trouble, said = trouble_of(error), said_in(answer)
        asked = joined(
            [
                about,
                data("your last answer", said, most=_SHOWN),
                why_unfit(trouble),
                "Give the whole answer again, mended.",
                how,
            ]
        )
    raise misfit(f"the model gave no answer that fits in {TRIES} tries", trouble, said)


def why_unfit(trouble: str) -> str:
    """Return what a model is told about an answer that does not fit."""
    return data("why it cannot be used", trouble, most=_SHOWN)


def misfit(what: str, trouble: str, said: str) -> AgentFailed:
    """Return the failure of a model that was told often enough, with what was wrong in its last answer."""
    last = " ".join(said.split())[:500]
    return AgentFailed(
        f"{what}: {trouble[:500]}; the last one was: {last or 'empty'}", hint="another model may do better"
    )


def calls_tools(model: BaseChatModel) -> bool:
    """Tell whether tools can be bound to the model at all."""
    return type(model).bind_tools is not BaseChatModel.bind_tools


def read(answer: BaseMessage, form: type[S]) -> S:
    """Return the form as it was filled in: the arguments of its tool's call, or JSON in the text.

    Raises:
        ValueError: there is neither, or it does not fit.
    """
    calls = answer.tool_calls if isinstance(answer, AIMessage) else []
    for call in calls:
        if call["name"] == form.__name__:
            return form.model_validate(call["args"])
    broken = answer.invalid_tool_calls if isinstance(answer, AIMessage) else []
    if broken:
        raise ValueError(f"the arguments of {form.__name__} are no JSON: {broken[0].get('error') or 'cannot be read'}")
    return form.model_validate(_json_in(answer.text))


def trouble_of(error: Exception) -> str:
    """Return what is wrong, in a line for each field, without pydantic's links."""
    if not isinstance(error, ValidationError):
        hint = getattr(error, "hint", None)
        return f"{error}" + (f" ({hint})" if hint else "")
    found = error.errors(include_url=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in found[:_NAMED]]
    more = [f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else []
    return "\n".join(lines + more)


async def _called(model: BaseChatModel, form: type[BaseModel], messages: list[BaseMessage]) -> BaseMessage:
    if not calls_tools(model):
        return await model.ainvoke(messages)
    return await model.bind_tools([form], tool_choice="any").ainvoke(messages)


def _how(form: type[BaseModel], *, with_tool: bool) -> str:
    if with_tool:
        return f"Answer by calling {form.__name__}, once."
    schema = json.dumps(form.model_json_schema(), ensure_ascii=False)
    return f"Answer with one JSON object and nothing else. It has to fit this JSON Schema:\n{schema}"


def _json_in(text: str) -> Any:
    """Return the first JSON object in a text: models like to put words and fences around it."""
    decoder, start = json.JSONDecoder(), -1
    for _ in range(_BEGINNINGS):
        if (start := text.find("{", start + 1)) < 0:
            break
        try:
            return decoder.raw_decode(text, start)[0]
        except (json.JSONDecodeError, RecursionError):
            continue
    raise ValueError("there is no JSON object in the answer" if text.strip() else "the answer is empty")


def said_in(answer: BaseMessage) -> str:
    """Return what a model said: its text, and the arguments of what it called."""
    calls = [*getattr(answer, "tool_calls", ()), *getattr(answer, "invalid_tool_calls", ())]
    return joined([answer.text, *(json.dumps(one.get("args"), ensure_ascii=False, default=str) for one in calls)])
