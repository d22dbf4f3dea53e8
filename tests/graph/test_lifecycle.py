"""The lifecycle: the map, the progress on it, and what is said of moves that it does not hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delegation import InvalidTransition
from graph import VALID_TRANSITIONS, WorkflowState
from graph.lifecycle import DESCRIPTIONS, FINAL_STATES, MAIN_LINE, check_move, is_legal, legal_moves, progress_of

EXPECTED = {
    "pending": "analyzing failed",
    "analyzing": "planning blocked failed",
    "planning": "delegated blocked failed",
    "delegated": "in_progress blocked failed",
    "in_progress": "reviewing testing completed blocked failed",
    "reviewing": "in_progress testing blocked failed",
    "testing": "in_progress reviewing completed blocked failed",
    "blocked": "analyzing planning delegated in_progress reviewing testing failed",
    "completed": "",
    "failed": "",
}
STATES = st.sampled_from(list(WorkflowState))


def test_the_map_is_the_one_that_is_written_down() -> None:
    assert {str(state): " ".join(targets) for state, targets in VALID_TRANSITIONS.items()} == EXPECTED
    assert [str(state) for state in WorkflowState] == [
        "pending",
        "analyzing",
        "planning",
        "delegated",
        "in_progress",
        "reviewing",
        "testing",
        "completed",
        "blocked",
        "failed",
    ]


def test_the_final_states_are_those_that_lead_nowhere() -> None:
    assert {"completed", "failed"} == FINAL_STATES
    assert set(DESCRIPTIONS) == set(WorkflowState)
    assert all(DESCRIPTIONS.values())


def test_every_state_can_be_reached_and_can_fail() -> None:
    reached, frontier = {WorkflowState.PENDING}, [WorkflowState.PENDING]
    while frontier:
        for state in VALID_TRANSITIONS[frontier.pop()]:
            if state not in reached:
                reached.add(state)
                frontier.append(state)
    assert reached == set(WorkflowState)
    assert all(WorkflowState.FAILED in VALID_TRANSITIONS[state] for state in set(WorkflowState) - FINAL_STATES)


@pytest.mark.parametrize("from_state", WorkflowState)
@pytest.mark.parametrize("to_state", WorkflowState)
def test_check_move_lets_the_maps_pairs_through_and_names_the_legal_moves_for_others(
    from_state: WorkflowState, to_state: WorkflowState
) -> None:
    legal = EXPECTED[from_state].split()
    assert is_legal(from_state, to_state) == is_legal(from_state.value, to_state.value) == (to_state in legal)
    if to_state in legal:
        check_move(from_state, to_state)
        return
    with pytest.raises(InvalidTransition) as raised:
        check_move(from_state.value, to_state)
    error = raised.value
    assert isinstance(error, ValueError)
    assert (error.from_state, error.to_state, error.legal) == (from_state, to_state, sorted(legal))
    assert f"cannot go from '{from_state}' to '{to_state}'" in str(error)
    assert all(state in str(error) for state in legal)
    assert error.hint


@pytest.mark.parametrize("state", ["", "Pending", "PENDING", "done", "pending ", None, 7])
def test_a_name_that_is_no_state_is_said_to_be_none(state: str) -> None:
    assert not is_legal(state, "failed")
    assert not is_legal("pending", state)
    with pytest.raises(ValueError, match="is no state; the states are pending, analyzing"):
        legal_moves(state)
    with pytest.raises(ValueError, match="is no state; the states are pending, analyzing"):
        progress_of(state)
    with pytest.raises(InvalidTransition, match="is no state; the states are pending, analyzing"):
        check_move(state, "failed")
    with pytest.raises(InvalidTransition, match="legal moves: analyzing, failed"):
        check_move("pending", state)


def test_legal_moves_is_a_list_of_ones_own() -> None:
    legal_moves("pending").clear()
    assert legal_moves("pending") == [WorkflowState.ANALYZING, WorkflowState.FAILED]


def test_progress_on_the_main_line_is_an_eighth_a_state() -> None:
    assert [progress_of(state) for state in MAIN_LINE] == [12, 25, 37, 50, 62, 75, 87, 100]
    assert progress_of("failed") == progress_of("failed", "testing") == 0
    assert progress_of("blocked") == progress_of("blocked", "blocked") == 50


@given(origin=STATES.filter(lambda state: WorkflowState.BLOCKED in VALID_TRANSITIONS[state]))
def test_blocked_keeps_the_progress_of_the_state_that_it_left(origin: WorkflowState) -> None:
    assert progress_of("blocked", origin) == progress_of(origin)


@given(state=STATES, origin=STATES | st.none())
def test_progress_is_a_whole_percentage(state: WorkflowState, origin: WorkflowState | None) -> None:
    assert progress_of(state, origin) in {0, 12, 25, 37, 50, 62, 75, 87, 100}
