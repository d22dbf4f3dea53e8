"""Who gets which answer: rules that look at what is asked, in their order, and faults that come first, each once."""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

from model_server.replies import Reply

__all__ = ["Asked", "Script", "UnscriptedError"]

Answer = Reply | Callable[["Asked"], Reply]

_DATA = r'<data from="{name}">\n(.*?)\n</data>'


class UnscriptedError(Exception):
    """Something was asked for which the script has no answer."""


@dataclass(frozen=True)
class Asked:
    """One request, as a script looks at it."""

    request: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """What was asked, in short: the same for the same request."""
        return sha256(json.dumps(self.request, sort_keys=True).encode()).hexdigest()

    @cached_property
    def system(self) -> str:
        """The instructions."""
        return "\n".join(_text(one) for one in self._said_by("system", "developer"))

    @cached_property
    def about(self) -> str:
        """The first thing that is said besides."""
        return next((_text(one) for one in self._said_by("user")), "")

    @cached_property
    def last(self) -> str:
        """The last thing that was said, by whomever."""
        return _text(self.request["messages"][-1])

    @property
    def turn(self) -> int:
        """How often the model has answered in this conversation."""
        return len(self._said_by("assistant"))

    @property
    def results(self) -> list[str]:
        """What tools gave back, oldest first."""
        return [_text(one) for one in self._said_by("tool")]

    @property
    def tools(self) -> list[str]:
        """The names of the tools that are offered."""
        return [one["function"]["name"] for one in self.request.get("tools") or ()]

    @property
    def form(self) -> str:
        """What the answer has to be: the form that is offered last as a tool, or as a format of the response."""
        response_format = self.request.get("response_format") or {}
        schema = response_format.get("json_schema") or {}
        return str(schema.get("name") or next(reversed(self.tools), ""))

    def told(self, name: str) -> str:
        """Return the data that a prompt tells under a name."""
        found = re.search(_DATA.format(name=re.escape(name)), self.about, re.DOTALL)
        return found[1] if found else ""

    @cached_property
    def subtask(self) -> str:
        """The id of the subtask that a member is at."""
        told = self.told("your subtask")
        return str(json.loads(told)["id"]) if told else ""

    def _said_by(self, *roles: str) -> list[Any]:
        return [one for one in self.request["messages"] if one["role"] in roles]


class Script:
    """Answers to whoever asks.

    ``script.on(Say("yes"), form="Approval")`` answers whatever :class:`Asked` has that attribute; an answer may be a
    function of what is asked. ``script.once(Refuse(429), form="Approval")`` comes before, for one request.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[tuple[Mapping[str, Any], Answer]] = []
        self._once: list[tuple[Mapping[str, Any], Answer]] = []

    def on(self, answer: Answer, **asked: Any) -> Self:
        """Answer so where all of these are so: a value, or a function of the value."""
        self._rules.append((asked, answer))
        return self

    def once(self, answer: Answer, **asked: Any) -> Self:
        """Answer so the first time that all of these are so."""
        self._once.append((asked, answer))
        return self

    @property
    def left(self) -> int:
        """How many of those that come once have not come yet."""
        return len(self._once)

    def answer(self, asked: Asked) -> Reply:
        """Return the answer to a request."""
        with self._lock:
            first = next((one for one in self._once if _fits(asked, one[0])), None)
            if first:
                self._once.remove(first)
        for wanted, answer in [first] if first else self._rules:
            if _fits(asked, wanted):
                return _given(answer, asked)
        raise UnscriptedError(f"there is no answer for {asked.form or 'a text'} {asked.subtask} in turn {asked.turn}")


def _fits(asked: Asked, wanted: Mapping[str, Any]) -> bool:
    found = ((getattr(asked, name), value) for name, value in wanted.items())
    return all(value(one) if callable(value) else one == value for one, value in found)


def _given(answer: Answer, asked: Asked) -> Reply:
    return answer(asked) if callable(answer) else answer


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
