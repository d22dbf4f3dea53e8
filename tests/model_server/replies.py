"""What the server may be told to answer, and how that looks on the wire, whole or as a stream of events."""

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Broken", "Call", "Refuse", "Reply", "Say", "Slow", "completion", "events"]

PIECE = 24
"""Characters of a streamed piece."""


@dataclass(frozen=True)
class Call:
    """A tool's call; arguments that are given as a text go out as they are, be they JSON or not."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Say:
    """An answer: words, calls of tools, or both."""

    text: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Refuse:
    """A status other than 200, as a provider words it; ``retry_after`` is in seconds."""

    status: int
    message: str = "no"
    retry_after: float | None = None


@dataclass(frozen=True)
class Broken:
    """The connection ends ``at once`` or ``midway`` through the answer, or what comes is no ``json``."""

    how: Literal["at once", "midway", "json"]


@dataclass(frozen=True)
class Slow:
    """An answer that waits: so many seconds, or until it is let go; the server's end lets go of all."""

    then: "Reply"
    seconds: float | None = None
    until: threading.Event = field(default_factory=threading.Event)


Reply = Say | Refuse | Broken | Slow


def completion(said: Say, request: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the answer as one document; ``number`` makes the ids of calls, the same for the same conversation."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    if said.calls:
        message["tool_calls"] = [
            {"id": _id(number, one), "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for one, call in enumerate(said.calls)
        ]
    choice = {"index": 0, "message": message, "finish_reason": _reason(said), "logprobs": None}
    return {**_head(request, "chat.completion"), "choices": [choice], "usage": usage(said, request)}


def events(said: Say, request: Mapping[str, Any], number: int) -> Iterator[str]:
    """Return the answer as server-sent events; usage comes last and only where it is asked for."""

    def event(delta: Mapping[str, Any], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
        return _data({**_head(request, "chat.completion.chunk"), "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    for piece in _pieces(said.text):
        yield event({"content": piece})
    for one, call in enumerate(said.calls):
        function = {"name": call.name, "arguments": ""}
        yield event({"tool_calls": [{"index": one, "id": _id(number, one), "type": "function", "function": function}]})
        for piece in _pieces(call.text):
            yield event({"tool_calls": [{"index": one, "function": {"arguments": piece}}]})
    yield event({}, _reason(said))
    if (request.get("stream_options") or {}).get("include_usage"):
        yield _data({**_head(request, "chat.completion.chunk"), "choices": [], "usage": usage(said, request)})
    yield "data: [DONE]\n\n"


def usage(said: Say, request: Mapping[str, Any]) -> dict[str, int]:
    """Count tokens in some fixed way: four characters each."""
    asked = len(json.dumps(request["messages"])) // 4
    answered = (len(said.text) + sum(len(call.text) for call in said.calls)) // 4 + 1
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _head(request: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": request["model"]}


def _data(value: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(value)}\n\n"


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


def _reason(said: Say) -> str:
    return "tool_calls" if said.calls else "stop"


def _id(number: int, call: int) -> str:
    return f"call_{number}_{call}"
