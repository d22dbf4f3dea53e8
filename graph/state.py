"""What the graph's threads hold: identifiers and decisions, never logs or message history.

A step's change of the working state is its delta. The log and the thread keep deltas as JSON values, and a step works
with models; ``encode`` and ``decode`` are the way between the two. JSON is what every checkpointer and every client
gives back as it was, whatever types it knows.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NotRequired

from langgraph.channels import UntrackedValue
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Row
from typing_extensions import TypedDict

from delegation import Finding, InputError, Plan, Requirements, Squad, Task

__all__ = [
    "BoardState",
    "MemberTurn",
    "SquadInput",
    "SquadState",
    "SquadSummary",
    "channel_schemas",
    "decode",
    "encode",
    "state_after",
]


class SquadInput(TypedDict):
    """What a run is started with."""

    task: Task | str
    """The task, or its text: the first line is the title."""
    squad: NotRequired[Squad | None]
    """Who works on it; one member a role where it is left out."""


class SquadSummary(TypedDict, total=False):
    """What a run gives back: the execution as it stands, as JSON values."""

    execution_id: str
    """The execution's id."""
    task: dict[str, Any]
    """The task, with its id."""
    status: str
    """The state that the execution is in."""
    progress_percentage: Annotated[int, UntrackedValue(int, guard=False)]
    """0 to 100."""
    started_at: Annotated[str, UntrackedValue(str, guard=False)]
    """When the execution was made, in ISO 8601."""
    transitions: Annotated[list[dict[str, Any]], UntrackedValue(list, guard=False)]
    """The moves: seq, from_state, to_state, reason, metadata, at."""
    subtasks: Annotated[list[dict[str, Any]], UntrackedValue(list, guard=False)]
    """The subtasks, each with its role, member, status and deliverable."""
    gates: Annotated[list[dict[str, Any]], UntrackedValue(list, guard=False)]
    """The questions to a human, open and closed."""
    metrics: Annotated[dict[str, Any], UntrackedValue(dict, guard=False)]
    """Counts and times."""
    result: Annotated[dict[str, Any] | None, UntrackedValue(dict, guard=False)]
    """What came of it, once it has ended."""
    error_message: Annotated[str | None, UntrackedValue(str, guard=False)]
    """Why it failed, where it did."""


class WorkingState(TypedDict, total=False):
    """The part of a thread's state that steps change and the log can rebuild."""

    execution_id: str
    """The execution's id."""
    seq: int
    """The number of the last transition that this state follows."""
    status: str
    """The state that the execution is in, which is also the next node."""
    requirements: Requirements | None
    """What the project manager read out of the task."""
    plan: Plan | None
    """The subtasks and the test plan."""
    findings: list[Finding]
    """What the last review or test sent back, for the present round of the board."""
    round: int
    """How often the board has been opened for work: 1, and one more for each rework or new plan."""
    since: int
    """The round in which the present plan was made: what was worked for an earlier one counts for nothing."""


class SquadState(WorkingState, SquadSummary, total=False):
    """Everything that a thread holds. ``task`` is what was given until the first step has stored it."""

    squad: Squad | None
    """Who works, until the first step has stored it."""


def _gathered(known: list[str], new: list[str] | None) -> list[str]:
    """Add to a list that is emptied by None: it never outlives one opening of the board."""
    return [] if new is None else [*known, *new]


class BoardState(WorkingState, total=False):
    """What the board's graph holds while it is open."""

    task: dict[str, Any]
    """The stored task's id, which changes where a fork begins with the board."""
    team: list[dict[str, str]]
    """The members that have work, each with the node of its role."""
    added: list[str]
    """What was missing when the board was opened; the move that closes it names it, and carries what is a channel."""
    left: Annotated[list[str], _gathered]
    """The members whose turn at the present opening has ended."""


class MemberTurn(TypedDict):
    """What a member's node is sent: enough to find everything else in the database."""

    execution_id: str
    """The execution's id."""
    seq: int
    """The number of the last transition before the board was opened."""
    round: int
    """The board's round."""
    since: int
    """The present plan's first round."""
    member_id: str
    """Whose turn it is."""
    team: list[str]
    """Everybody whose turn it is."""
    findings: list[Finding]
    """What the last review or test sent back."""


FRESH: dict[str, Any] = {"requirements": None, "plan": None, "findings": [], "round": 1, "since": 1}
"""The working state of a new execution: a thread that had one before starts anew."""

_DELTA: dict[str, TypeAdapter[Any]] = {
    "requirements": TypeAdapter(Requirements | None),
    "plan": TypeAdapter(Plan | None),
    "findings": TypeAdapter(list[Finding]),
    "round": TypeAdapter(int),
    "since": TypeAdapter(int),
}
"""The channels that a step may change, with how each is read back. A name that is not here is a mistake."""


def channel_schemas() -> dict[str, str]:
    """Return the JSON schema of each channel that steps change, as text: what a stored delta must be read by."""
    return {name: json.dumps(adapter.json_schema(), sort_keys=True) for name, adapter in _DELTA.items()}


def encode(delta: dict[str, Any]) -> dict[str, Any]:
    """Return a delta as JSON values.

    Raises:
        KeyError: it names a channel that steps do not change; LangGraph itself would drop that without a word.
    """
    return {name: _DELTA[name].dump_python(value, mode="json") for name, value in delta.items()}


def decode(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a thread's values with those that steps change as models.

    Raises:
        InputError: a client has put something into the thread that cannot be used.
    """
    found = dict(values)
    for name in _DELTA.keys() & found.keys():
        try:
            found[name] = _DELTA[name].validate_python(found[name])
        except ValidationError as error:
            where = ".".join(map(str, (name, *error.errors()[0]["loc"])))
            raise InputError(
                f"the thread's {where} cannot be used: {error.errors()[0]['msg']}", hint="update the thread's state"
            ) from error
    return found


def state_after(moves: Iterable[Row[Any]]) -> dict[str, Any]:
    """Return the working state, as JSON values, that an execution has after these moves: its log from the first on."""
    known = dict(FRESH)
    for move in moves:
        known |= move.delta
    return known
