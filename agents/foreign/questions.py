"""What a graph asks by interrupting, told to a human, and the human's answer told to the graph."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from agents.role_agent import Brief

__all__ = ["Asked", "Heard", "question_of", "response_to"]

_YES = frozenset({"approve", "approved", "yes", "ok"})


@dataclass(frozen=True)
class Asked:
    """An interrupt: its id, what it says, and the responses that the same task has used up for earlier ones."""

    id: str
    value: Any
    used: Sequence[Any] = ()


class Heard:
    """The answers that humans gave about a subtask, each heard once, by the question that it was to."""

    def __init__(self, brief: Brief, *, since: int = 0) -> None:
        self._left = list(zip(brief.questions, brief.answers, strict=False))[since:]

    def responses(self, asked: Iterable[Asked]) -> dict[str, Any]:
        """Return a response to each of what is asked at the moment, by its id; what nobody has answered is left out.

        What is asked together was one question to a human, so one answer may be to several.
        """
        found, taken = {}, set()
        for one in asked:
            used, question = list(one.used), question_of(one.value)
            for number, (told, answer) in enumerate(self._left):
                response = response_to(one.value, answer)
                if question not in told:
                    continue
                taken.add(number)
                if response in used:
                    used.remove(response)
                    continue
                found[one.id] = response
                break
        self._left = [exchange for number, exchange in enumerate(self._left) if number not in taken]
        return found


def question_of(value: Any) -> str:
    """Return an interrupt's value as a question; LangChain's requests for approval say what is to be approved."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, Mapping):
        actions = [_action(one) for one in _actions(value)]
        if actions:
            return f"May it do this? {'; '.join(actions)} (approve, or say what to do instead)"
        for name in ("question", "message", "description"):
            if isinstance(value.get(name), str) and value[name].strip():
                return str(value[name]).strip()
    return json.dumps(value, ensure_ascii=False, default=str, sort_keys=True)


def response_to(value: Any, answer: str) -> Any:
    """Return what the graph is resumed with: the answer's words, what they hold as JSON, or decisions about actions."""
    if answer.lstrip().startswith("{"):
        with suppress(ValueError):
            return json.loads(answer)
    actions = _actions(value) if isinstance(value, Mapping) else []
    if not actions:
        return answer
    if value.get("type") == "tool_approval":
        return _decision(answer, ())
    allowed = {one.get("action_name"): one.get("allowed_decisions", ()) for one in value.get("review_configs", ())}
    return {"decisions": [_decision(answer, allowed.get(one.get("name"), ())) for one in actions]}


def _actions(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if value.get("type") == "tool_approval":
        return [value]
    requests = value.get("action_requests")
    return [one for one in requests if isinstance(one, Mapping)] if isinstance(requests, list | tuple) else []


def _action(request: Mapping[str, Any]) -> str:
    return f"{request.get('name')} {json.dumps(request.get('args'), ensure_ascii=False, default=str, sort_keys=True)}"


def _decision(answer: str, allowed: Any) -> dict[str, Any]:
    if answer.strip().casefold() in _YES and (not allowed or "approve" in allowed):
        return {"type": "approve"}
    return {"type": "respond" if "respond" in allowed and "reject" not in allowed else "reject", "message": answer}
