"""What each type of message has to say besides its words: the metadata that it needs, and of what kind it is.

More than what is named here may be in a message's metadata; what is named has to fit. Checked is what is sent. What is
read back is not: messages that an earlier version has stored stay readable.
"""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from delegation.errors import InputError
from delegation.message import Message, MessageType
from delegation.review import ChangeStats, Finding, FindingCheck, ReviewVerdict
from delegation.standup import BoardStatus, StandupAction

__all__ = ["CONTENTS", "check_message"]

Name = Annotated[str, Field(min_length=1)]
Hours = Annotated[float, Field(allow_inf_nan=False)]


class _Contents(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    subtask_id: Name | None = None


class _TaskAssignment(_Contents):
    subtask_id: Name
    start: Hours | None = None
    finish: Hours | None = None


class _StatusUpdate(_Contents):
    progress: str | None = None
    attempt: Annotated[int, Field(ge=1)] | None = None


class _Question(_Contents):
    question_id: Name | None = None


class _Answer(_Contents):
    question_id: Name | None = None
    gate_id: UUID | None = None


class _HumanNeeded(_Contents):
    gate_id: UUID | None = None


class _ReviewRequest(_Contents):
    subtask_ids: Annotated[list[Name], Field(min_length=1)]
    round: Annotated[int, Field(ge=1)] = 1
    criteria: list[str] = []
    test_cases: list[str] = []
    change: ChangeStats | None = None
    earlier: list[Name] = []


class _ReviewResponse(_Contents):
    verdict: ReviewVerdict
    findings: list[Finding] = []
    checks: list[FindingCheck] = []


class _TaskCompletion(_Contents):
    passed: Annotated[int, Field(ge=0)] | None = None
    cases: Annotated[int, Field(ge=0)] | None = None


class _Standup(_Contents):
    status: BoardStatus | None = None
    actions: list[StandupAction] = []


class _StateTransition(_Contents):
    seq: Annotated[int, Field(ge=1)] | None = None
    from_state: Name | None = None
    to_state: Name | None = None


class _Approval(_Contents):
    critical_path: list[str] = []


CONTENTS: dict[MessageType, type[_Contents]] = {
    MessageType.TASK_ASSIGNMENT: _TaskAssignment,
    MessageType.STATUS_REQUEST: _Contents,
    MessageType.STATUS_UPDATE: _StatusUpdate,
    MessageType.QUESTION: _Question,
    MessageType.ANSWER: _Answer,
    MessageType.HUMAN_INTERVENTION_REQUIRED: _HumanNeeded,
    MessageType.CODE_REVIEW_REQUEST: _ReviewRequest,
    MessageType.CODE_REVIEW_RESPONSE: _ReviewResponse,
    MessageType.TASK_COMPLETION: _TaskCompletion,
    MessageType.STANDUP: _Standup,
    MessageType.STATE_TRANSITION: _StateTransition,
    MessageType.APPROVAL: _Approval,
}
"""What the metadata of each type holds: a type that is not here could not be sent."""

_TO_A_MEMBER = frozenset({MessageType.TASK_ASSIGNMENT, MessageType.CODE_REVIEW_REQUEST})
"""What is asked of one member, and of nobody where it is told to everybody."""

_IN_WORDS = frozenset({MessageType.QUESTION, MessageType.ANSWER, MessageType.HUMAN_INTERVENTION_REQUIRED})
"""What is nothing without words; elsewhere they may all be in the metadata."""


def check_message(message: Message) -> None:
    """Check that a message says what its type needs.

    Raises:
        InputError: it has no sender, or none of the words or the recipient that its type needs, or its metadata does
            not fit the type.
    """
    kind = message.type
    if not message.sender.strip():
        raise InputError(f"a message of type {kind.value} needs a sender", hint="give a member's id")
    if kind in _IN_WORDS and not message.content.strip():
        raise InputError(f"a message of type {kind.value} needs words", hint="say it in the content")
    if kind in _TO_A_MEMBER and not message.recipient:
        raise InputError(f"a message of type {kind.value} needs a recipient", hint="send it to one member")
    contents = CONTENTS[kind]
    try:
        contents.model_validate(message.metadata)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("metadata", *first["loc"])))
        known = ", ".join(contents.model_fields)
        raise InputError(
            f"a message of type {kind.value} does not fit: {where}: {first['msg']}",
            hint=f"the metadata of {kind.value} holds {known}; more is allowed",
        ) from None
