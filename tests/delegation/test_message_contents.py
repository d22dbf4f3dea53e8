"""Messages are checked by their type: what each needs is there, and what is no such message is refused with why."""

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from delegation import InputError, Message, MessageType, check_message
from delegation.message_contents import CONTENTS


def message(kind: MessageType, metadata: dict[str, Any], **fields: Any) -> Message:
    return Message(
        **{"sender": "pm", "recipient": "dev", "type": kind, "content": "words", "metadata": metadata} | fields
    )


FINDING = {"subtask_id": "S1", "message": "why?", "file": "a.py", "line": 3, "severity": "low", "suggestion": "say it"}
FIT: list[tuple[MessageType, dict[str, Any]]] = [
    (MessageType.TASK_ASSIGNMENT, {"subtask_id": "S1", "start": 0.0, "finish": 2}),
    (MessageType.STATUS_REQUEST, {}),
    (MessageType.STATUS_REQUEST, {"subtask_id": "S1"}),
    (MessageType.STATUS_UPDATE, {"subtask_id": "S1", "progress": "started", "attempt": 1}),
    (MessageType.QUESTION, {"subtask_id": "S1", "question_id": "q"}),
    (MessageType.ANSWER, {"gate_id": str(uuid4()), "subtask_id": None}),
    (MessageType.HUMAN_INTERVENTION_REQUIRED, {"gate_id": str(uuid4())}),
    (MessageType.CODE_REVIEW_REQUEST, {"subtask_ids": ["S1"], "change": {"files": 1, "insertions": 2}}),
    (MessageType.CODE_REVIEW_RESPONSE, {"verdict": "commented", "findings": [FINDING]}),
    (MessageType.TASK_COMPLETION, {"passed": 2, "cases": 3}),
    (MessageType.STANDUP, {}),
    (MessageType.STATE_TRANSITION, {"seq": 1, "from_state": "pending", "to_state": "analyzing"}),
    (MessageType.APPROVAL, {"critical_path": ["S1"], "of my own": {"x": 1}}),
]
UNFIT: list[tuple[MessageType, dict[str, Any], str]] = [
    (MessageType.TASK_ASSIGNMENT, {}, "metadata.subtask_id: Field required"),
    (MessageType.TASK_ASSIGNMENT, {"subtask_id": "S1", "start": "soon"}, "metadata.start"),
    (MessageType.STATUS_UPDATE, {"attempt": 0}, "metadata.attempt"),
    (MessageType.STATUS_UPDATE, {"subtask_id": 7}, "metadata.subtask_id"),
    (MessageType.QUESTION, {"question_id": ""}, "metadata.question_id"),
    (MessageType.ANSWER, {"gate_id": "the first"}, "metadata.gate_id"),
    (MessageType.HUMAN_INTERVENTION_REQUIRED, {"gate_id": 1}, "metadata.gate_id"),
    (MessageType.CODE_REVIEW_REQUEST, {"subtask_ids": []}, "metadata.subtask_ids"),
    (MessageType.CODE_REVIEW_RESPONSE, {}, "metadata.verdict: Field required"),
    (MessageType.CODE_REVIEW_RESPONSE, {"verdict": "fine"}, "metadata.verdict"),
    (
        MessageType.CODE_REVIEW_RESPONSE,
        {"verdict": "commented", "findings": [{**FINDING, "line": 0}]},
        "findings.0.line",
    ),
    (MessageType.TASK_COMPLETION, {"passed": -1}, "metadata.passed"),
    (MessageType.STANDUP, {"actions": [{"kind": "dance", "subtask_id": "S1", "reason": "why not"}]}, "actions.0.kind"),
    (MessageType.STANDUP, {"actions": [{"kind": "split", "subtask_id": "S1", "reason": ""}]}, "actions.0.reason"),
    (MessageType.STATE_TRANSITION, {"seq": 0}, "metadata.seq"),
    (MessageType.APPROVAL, {"critical_path": "S1"}, "metadata.critical_path"),
]


def test_each_type_has_its_contents() -> None:
    assert CONTENTS.keys() == set(MessageType)
    assert {kind for kind, _ in FIT} == set(MessageType)


@pytest.mark.parametrize(("kind", "metadata"), FIT)
def test_what_a_type_needs_passes_with_whatever_else_is_said(kind: MessageType, metadata: dict[str, Any]) -> None:
    check_message(message(kind, metadata))
    check_message(message(kind, metadata | {"else": [1, None]}))


@pytest.mark.parametrize(("kind", "metadata", "where"), UNFIT)
def test_what_does_not_fit_is_refused_by_its_place(kind: MessageType, metadata: dict[str, Any], where: str) -> None:
    with pytest.raises(InputError, match=f"type {kind.value} does not fit") as raised:
        check_message(message(kind, metadata))
    assert where in raised.value.message
    assert kind.value in str(raised.value.hint)


@pytest.mark.parametrize(
    ("kind", "fields", "needs"),
    [
        (MessageType.QUESTION, {"content": " \n"}, "needs words"),
        (MessageType.QUESTION, {"sender": ""}, "needs a sender"),
        (MessageType.TASK_ASSIGNMENT, {"recipient": None}, "needs a recipient"),
        (MessageType.CODE_REVIEW_REQUEST, {"recipient": None}, "needs a recipient"),
    ],
)
def test_a_message_without_words_or_sender_or_the_recipient_that_it_is_for_is_refused(
    kind: MessageType, fields: dict[str, Any], needs: str
) -> None:
    with pytest.raises(InputError, match=needs):
        check_message(message(kind, {"subtask_id": "S1", "subtask_ids": ["S1"]}, **fields))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(sorted({name for contents in CONTENTS.values() for name in contents.model_fields}))


@given(st.sampled_from(MessageType), st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=4))
def test_any_metadata_either_fits_or_is_refused_in_words(kind: MessageType, metadata: dict[str, Any]) -> None:
    given_ = message(kind, metadata)
    refused = None
    try:
        check_message(given_)
    except InputError as error:
        refused = error
    assert (refused is None) == _validates(kind, metadata)
    assert refused is None or (refused.message.startswith("a message of type ") and refused.hint)
    assert given_.metadata == metadata


def _validates(kind: MessageType, metadata: dict[str, Any]) -> bool:
    try:
        CONTENTS[kind].model_validate(metadata)
    except ValidationError:
        return False
    return True
