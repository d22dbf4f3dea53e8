"""Counts and times of a history."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph import WorkflowEngine, WorkflowState
from graph.lifecycle import MAIN_LINE

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
metrics = WorkflowEngine().get_workflow_metrics


def entry(state: str, seconds: float = 0.0) -> dict[str, Any]:
    return {"state": state, "timestamp": START + timedelta(seconds=seconds)}


def test_a_whole_run_of_an_hour() -> None:
    history = [entry(state, i * 3600 / 7) for i, state in enumerate(MAIN_LINE)]
    found = metrics(history)
    assert found["total_transitions"] == 7
    assert found["total_duration_seconds"] == pytest.approx(3600)
    assert found["average_time_per_state_seconds"] == 514.29
    assert found["time_in_each_state_seconds"] == {
        state: pytest.approx(3600 / 7, rel=1e-5) for state in MAIN_LINE[:-1]
    } | {"completed": 0}
    assert list(found["time_in_each_state_seconds"]) == list(MAIN_LINE)


def test_a_state_visited_twice_adds_up_and_the_last_one_counts_nothing() -> None:
    history = [entry("in_progress", 0), entry("testing", 10), entry("in_progress", 15), entry("testing", 16)]
    assert metrics(history) == {
        "total_transitions": 3,
        "time_in_each_state_seconds": {"in_progress": 11.0, "testing": 5.0},
        "total_duration_seconds": 16.0,
        "average_time_per_state_seconds": 5.33,
    }


def test_an_empty_history_has_zeros_and_an_empty_dict_under_the_same_keys() -> None:
    assert metrics([]) == {
        "total_transitions": 0,
        "time_in_each_state_seconds": {},
        "total_duration_seconds": 0,
        "average_time_per_state_seconds": 0,
    }
    assert set(metrics([])) == set(metrics([entry("pending"), entry("failed", 1)]))


def test_a_single_entry_has_no_transitions() -> None:
    assert metrics([entry("pending")]) == {
        "total_transitions": 0,
        "time_in_each_state_seconds": {"pending": 0},
        "total_duration_seconds": 0,
        "average_time_per_state_seconds": 0,
    }


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-03-01T12:01:00Z",
        "2026-03-01T12:01:00+00:00",
        "2026-03-01T14:01:00+02:00",
        "2026-03-01T12:01:00",
        "2026-03-01 12:01:00",
        "2026-03-01T12:01",
        "20260301T120100Z",
        "2026-03-01T12:01:00.000Z",
        datetime(2026, 3, 1, 12, 1),  # noqa: DTZ001 - without a zone is the case
        datetime(2026, 3, 1, 5, 1, tzinfo=timezone(timedelta(hours=-7))),
    ],
)
def test_times_are_texts_or_datetimes_and_those_without_a_zone_are_utc(timestamp: object) -> None:
    found = metrics([entry("pending"), {"state": WorkflowState.ANALYZING, "timestamp": timestamp}])
    assert found["time_in_each_state_seconds"] == {"pending": 60.0, "analyzing": 0.0}
    assert all(type(state) is str for state in found["time_in_each_state_seconds"])


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"state": "pending"},
        {"timestamp": START},
        {"state": None, "timestamp": START},
        {"state": 7, "timestamp": START},
        {"state": "pending", "timestamp": None},
        {"state": "pending", "timestamp": "yesterday"},
        {"state": "pending", "timestamp": 1_700_000_000},
        {"state": "pending", "timestamp": START.date()},
        None,
        7,
        "pending",
        ["pending", START],
    ],
    ids=repr,
)
def test_an_entry_that_cannot_be_read_is_named(bad: Any) -> None:
    with pytest.raises(ValueError, match="entry 1 of the history needs a 'state' and a 'timestamp'"):
        metrics([entry("pending"), bad])


def test_a_clock_that_was_set_back_makes_no_negative_time() -> None:
    found = metrics([entry("pending", 10), entry("analyzing", 0), entry("planning", 5)])
    assert found["time_in_each_state_seconds"] == {"pending": 0.0, "analyzing": 5.0, "planning": 0.0}
    assert found["total_duration_seconds"] == 5.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(WorkflowState)), st.integers(0, 10**6), st.booleans(), st.sampled_from([0, 2, -9])
        ),
        max_size=30,
    )
)
def test_the_times_in_the_states_add_up_to_the_duration(steps: list[tuple[str, int, bool, int]]) -> None:
    history, at = [], START
    for state, seconds, as_text, hours in steps:
        at += timedelta(seconds=seconds)
        moment = at.astimezone(timezone(timedelta(hours=hours)))
        history.append({"state": state, "timestamp": moment.isoformat() if as_text else moment})
    found = metrics(history)
    spent = found["time_in_each_state_seconds"]
    assert found["total_transitions"] == max(len(history) - 1, 0)
    assert set(spent) == {state for state, *_ in steps}
    assert sum(spent.values()) == found["total_duration_seconds"] == sum(seconds for _, seconds, *_ in steps[1:])
    if len(history) > 1:
        expected = round(found["total_duration_seconds"] / (len(history) - 1), 2)
        assert found["average_time_per_state_seconds"] == expected
