"""The working state on its way between steps, which work with models, and threads, which hold JSON."""

import json
from typing import Any

import pytest

from delegation import Finding, InputError, Plan, Requirements, Subtask, TaskType
from graph.state import decode, encode

DELTA: dict[str, Any] = {
    "requirements": Requirements(type=TaskType.GENERAL, complexity=3),
    "plan": Plan(subtasks=[Subtask(id="S1", title="Do it")]),
    "findings": [Finding(subtask_id="S1", message="say why")],
    "round": 2,
}


def test_a_delta_survives_the_way_into_a_thread_and_back() -> None:
    held = json.loads(json.dumps(encode(DELTA)))
    assert decode(held | {"seq": 4, "status": "in_progress"}) == DELTA | {"seq": 4, "status": "in_progress"}


def test_what_is_decoded_already_stays_as_it_is() -> None:
    assert decode(decode(encode(DELTA))) == DELTA


def test_a_channel_that_steps_do_not_change_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        encode({"status": "completed"})


@pytest.mark.parametrize("junk", [7, "a plan", {"subtasks": 7}, {"subtasks": [{"title": "no id"}]}])
def test_what_a_client_wrote_into_a_thread_is_refused_with_its_place(junk: Any) -> None:
    with pytest.raises(InputError, match="the thread's plan"):
        decode({"plan": junk})
