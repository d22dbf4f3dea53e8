"""What threads hold and what a run may be told: deltas on their way through the log, settings and their bounds."""

import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from delegation import (
    ConfigurationError,
    Criterion,
    Finding,
    InputError,
    Plan,
    Requirements,
    Role,
    Subtask,
    TaskType,
    TestCase,
)
from graph.context import RunSettings, chosen_settings, settings_from
from graph.state import BoardState, MemberTurn, SquadInput, SquadState, SquadSummary, decode, encode

REQUIREMENTS = Requirements(type=TaskType.BUG_FIX, skills={"sql": 2}, complexity=3, areas=["backend"])
PLAN = Plan(
    subtasks=[
        Subtask(id="a", title="Mend it", role=Role.BACKEND_DEVELOPER, effort=2.5, criteria=["it works"]),
        Subtask(id="b", title="Test it", role=Role.TESTER, depends_on=["a"]),
    ],
    criteria=[Criterion(text="it works", source="stated")],
    test_cases=[TestCase(id="t", criterion="it works", then="it works")],
)
FINDINGS = [Finding(subtask_id="a", message="no"), Finding(subtask_id=None, criterion="it works", message="not shown")]


@given(
    delta=st.fixed_dictionaries(
        {},
        optional={
            "requirements": st.sampled_from([None, REQUIREMENTS]),
            "plan": st.sampled_from([None, PLAN]),
            "findings": st.lists(st.sampled_from(FINDINGS), max_size=3),
            "round": st.integers(0, 9),
        },
    )
)
def test_any_delta_survives_the_way_through_the_log(delta: dict[str, Any]) -> None:
    stored = json.loads(json.dumps(encode(delta)))
    assert stored == encode(delta)
    assert decode(stored) == delta


@pytest.mark.parametrize("name", ["status", "seq", "typo"])
def test_a_step_cannot_change_another_channel(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        encode({name: 1})


def test_a_value_of_another_shape_is_refused_by_its_place_and_other_channels_pass_through() -> None:
    assert decode({"status": "planning", "seq": 3, "round": 1}) == {"status": "planning", "seq": 3, "round": 1}
    with pytest.raises(InputError, match=r"the thread's plan\.subtasks cannot be used"):
        decode({"plan": {"subtasks": "none"}})


@pytest.mark.parametrize("schema", [SquadInput, SquadSummary, SquadState, BoardState, MemberTurn])
def test_every_schema_can_be_read_and_says_what_it_is(schema: type) -> None:
    assert get_type_hints(schema)
    assert schema.__doc__


# Settings


def test_no_context_means_the_defaults() -> None:
    expected = RunSettings(max_reworks=3, max_refusals=3, subtask_timeout_s=900.0, on_failure="fail")
    for context in (None, {}, RunSettings()):
        assert chosen_settings(context) == {}
    assert settings_from({}) == expected
    assert chosen_settings(RunSettings(max_reworks=3)) == {"max_reworks": 3}  # chosen, though it is the default


def test_settings_are_taken_from_a_mapping_as_clients_send_it() -> None:
    found = settings_from(chosen_settings({"max_reworks": 0, "subtask_timeout_s": 5, "on_failure": "ask"}))
    assert found == RunSettings(max_reworks=0, subtask_timeout_s=5.0, on_failure="ask")
    with pytest.raises(ValidationError):
        found.max_reworks = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ({"max_rework": 3}, "max_rework"),
        ({"max_reworks": -1}, "max_reworks"),
        ({"max_reworks": 1001}, "max_reworks"),
        ({"max_reworks": "many"}, "max_reworks"),
        ({"max_reworks": 1.5}, "max_reworks"),
        ({"max_reworks": None}, "max_reworks"),
        ({"max_refusals": -1}, "max_refusals"),
        ({"max_refusals": 101}, "max_refusals"),
        ({"subtask_timeout_s": 0}, "subtask_timeout_s"),
        ({"subtask_timeout_s": -1}, "subtask_timeout_s"),
        ({"subtask_timeout_s": float("inf")}, "subtask_timeout_s"),
        ({"subtask_timeout_s": float("nan")}, "subtask_timeout_s"),
        ({"on_failure": "shrug"}, "on_failure"),
        (["max_reworks"], ""),
        ("max_reworks", ""),
    ],
    ids=repr,
)
def test_a_setting_that_is_unknown_or_out_of_range_is_refused_by_name(context: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"setting '{name}'") as raised:
        chosen_settings(context)
    assert raised.value.hint == f"the settings are {', '.join(RunSettings.model_fields)}"
    assert "\n" not in str(raised.value)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in RunSettings.model_fields.values())
