"""The lifecycle: ten states and the one map of moves. Everything that routes, checks or draws reads it from here."""

from enum import StrEnum

from delegation import InvalidTransition

__all__ = [
    "FINAL_STATES",
    "VALID_TRANSITIONS",
    "WorkflowState",
    "check_move",
    "legal_moves",
    "progress_of",
]


class WorkflowState(StrEnum):
    """Where an execution stands."""

    PENDING = "pending"
    ANALYZING = "analyzing"
    PLANNING = "planning"
    DELEGATED = "delegated"
    IN_PROGRESS = "in_progress"
    REVIEWING = "reviewing"
    TESTING = "testing"
    COMPLETED = "completed"
    BLOCKED = "blocked"
    FAILED = "failed"


_S = WorkflowState

VALID_TRANSITIONS: dict[WorkflowState, tuple[WorkflowState, ...]] = {
    _S.PENDING: (_S.ANALYZING, _S.FAILED),
    _S.ANALYZING: (_S.PLANNING, _S.BLOCKED, _S.FAILED),
    _S.PLANNING: (_S.DELEGATED, _S.BLOCKED, _S.FAILED),
    _S.DELEGATED: (_S.IN_PROGRESS, _S.BLOCKED, _S.FAILED),
    _S.IN_PROGRESS: (_S.REVIEWING, _S.TESTING, _S.COMPLETED, _S.BLOCKED, _S.FAILED),
    _S.REVIEWING: (_S.IN_PROGRESS, _S.TESTING, _S.BLOCKED, _S.FAILED),
    _S.TESTING: (_S.IN_PROGRESS, _S.REVIEWING, _S.COMPLETED, _S.BLOCKED, _S.FAILED),
    _S.BLOCKED: (
        _S.ANALYZING,
        _S.PLANNING,
        _S.DELEGATED,
        _S.IN_PROGRESS,
        _S.REVIEWING,
        _S.TESTING,
        _S.FAILED,
    ),
    _S.COMPLETED: (),
    _S.FAILED: (),
}
"""Where each state may go. The order of the main line comes first, which is also how the graph is drawn."""

FINAL_STATES = frozenset(state for state, targets in VALID_TRANSITIONS.items() if not targets)

MAIN_LINE = (
    _S.PENDING,
    _S.ANALYZING,
    _S.PLANNING,
    _S.DELEGATED,
    _S.IN_PROGRESS,
    _S.REVIEWING,
    _S.TESTING,
    _S.COMPLETED,
)
"""The states of a run in which nothing goes wrong; progress is the position on it."""

DESCRIPTIONS: dict[WorkflowState, str] = {
    _S.PENDING: "Received and queued",
    _S.ANALYZING: "The project manager analyses the requirements, with the tech lead",
    _S.PLANNING: "Subtasks, estimates, dependencies and the test plan are made",
    _S.DELEGATED: "Assignments are proposed, and approved by the project manager",
    _S.IN_PROGRESS: "Role agents work in parallel",
    _S.REVIEWING: "The tech lead reviews the deliverables",
    _S.TESTING: "The tester executes the test plan",
    _S.COMPLETED: "Everything is done",
    _S.BLOCKED: "Waits for a human",
    _S.FAILED: "Given up, with the reason in the error message",
}


def legal_moves(state: str) -> list[WorkflowState]:
    """Return where the state may go, main line first.

    Raises:
        ValueError: there is no such state.
    """
    return list(VALID_TRANSITIONS[as_state(state)])


def as_state(state: str) -> WorkflowState:
    """Return the state of that name; ValueError, which names the states, where there is none."""
    try:
        return WorkflowState(state)
    except ValueError:
        raise ValueError(f"{state!r} is no state; the states are {', '.join(WorkflowState)}") from None


def is_legal(from_state: str, to_state: str) -> bool:
    """Tell whether the map holds the move; a name that is no state makes none."""
    try:
        return as_state(to_state) in VALID_TRANSITIONS[as_state(from_state)]
    except ValueError:
        return False


def check_move(from_state: str, to_state: str) -> None:
    """Raise InvalidTransition, which names the legal moves, unless the map holds the move."""
    if not is_legal(from_state, to_state):
        try:
            legal = legal_moves(from_state)
        except ValueError as unknown:
            error = InvalidTransition(str(from_state), str(to_state), [])
            error.message, error.hint = str(unknown), "name the state that the execution is in"
            error.args = (error.message,)
            raise error from None
        raise InvalidTransition(str(from_state), str(to_state), map(str, legal))


def progress_of(state: str, origin_state: str | None = None) -> int:
    """Return the progress in percent: ``int((position + 1) / 8 * 100)`` on the main line, and 0 for failed.

    A blocked execution keeps the progress of the state that it left; where that is not known, it is 50.
    """
    if state == WorkflowState.FAILED:
        return 0
    if state == WorkflowState.BLOCKED:
        return progress_of(origin_state) if origin_state and origin_state != WorkflowState.BLOCKED else 50
    return int((MAIN_LINE.index(as_state(state)) + 1) / len(MAIN_LINE) * 100)
