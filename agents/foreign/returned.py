"""What a foreign agent gave back, read as the outcome of a subtask, or as a failure that says what it was."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, BaseMessage
from pydantic import BaseModel, ValidationError

from agents.role_agent import Brief
from delegation import Deliverable, Message, Outcome, OutcomeStatus

__all__ = ["outcome_of"]

_CLAIMS = ("criteria", "interfaces", "open_questions")


def outcome_of(found: Any, brief: Brief) -> Outcome:
    """Return the outcome that a foreign agent's output stands for.

    It is an :class:`Outcome`, under ``outcome`` or ``structured_response`` or by itself, a mapping with its fields, a
    text, or messages of which the last one is a text. A text is the deliverable of work that is done, and says that it
    meets the criteria that were asked; anything else is a failure.
    """
    if isinstance(found, Outcome):
        return found
    if isinstance(found, BaseMessage):
        found = found.text
    if isinstance(found, str):
        return _done(found, brief) if found.strip() else _failed("it gave back an empty text")
    if isinstance(found, BaseModel):
        found = _fields_of(found)
    if not isinstance(found, Mapping):
        return _failed(f"it gave back {type(found).__name__}, which is no outcome, no messages and no text")
    for inner in (found.get("outcome"), found.get("structured_response")):
        if isinstance(inner, Outcome) or "status" in _fields_of(inner):
            return outcome_of(inner, brief)
    if "status" in found:
        return _told(found, brief)
    return _from_messages(found, brief)


def _fields_of(value: Any) -> Mapping[str, Any]:
    if isinstance(value, BaseModel):
        return dict(value)
    return value if isinstance(value, Mapping) else {}


def _from_messages(found: Mapping[str, Any], brief: Brief) -> Outcome:
    messages = found.get("messages")
    if not isinstance(messages, Sequence) or not messages:
        return _failed(f"it gave back {', '.join(map(str, found)) or 'nothing'}, and no outcome, status or messages")
    last: AnyMessage | Any = messages[-1]
    text = last.text if isinstance(last, AIMessage) else ""
    if not text.strip():
        return _failed(f"the last of its messages is {type(last).__name__} without a text of its own")
    return _done(text, brief)


def _told(found: Mapping[str, Any], brief: Brief) -> Outcome:
    """Return the outcome whose fields these are; other fields, and a model's messages, are none of it."""
    fields = {name: found[name] for name in Outcome.model_fields if found.get(name) is not None}
    said = fields.pop("messages", [])
    if isinstance(said, Sequence) and said and all(isinstance(one, Message) for one in said):
        fields["messages"] = said
    if "deliverable" in fields:
        fields["deliverable"] = _deliverable(fields["deliverable"], brief)
    try:
        return Outcome.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        return _failed(f"it gave back an outcome whose {'.'.join(map(str, first['loc']))} is wrong: {first['msg']}")


def _deliverable(given: Any, brief: Brief) -> Any:
    if isinstance(given, str):
        return _document(given, brief)
    if isinstance(given, Mapping):
        return {**_document("", brief).model_dump(exclude=set(_CLAIMS) & set(given)), **given}
    return given


def _done(text: str, brief: Brief) -> Outcome:
    first = text.strip().splitlines()[0]
    return Outcome(status=OutcomeStatus.DONE, note=first[:200], deliverable=_document(text, brief))


def _document(text: str, brief: Brief) -> Deliverable:
    subtask = brief.subtask
    return Deliverable(kind=subtask.kind.value, title=subtask.title, body=text, criteria=list(subtask.criteria))


def _failed(note: str) -> Outcome:
    return Outcome(status=OutcomeStatus.FAILED, note=note)
