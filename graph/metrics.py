"""Counts and times of a workflow's history."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

__all__ = ["workflow_metrics"]


def workflow_metrics(state_history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how often a history moved and how long it stayed where.

    Args:
        state_history: entries ``{"state", "timestamp"}`` in order, one for each state entered; timestamps are
            datetimes or ISO 8601 texts, and those without a zone are taken as UTC.

    Returns:
        ``total_transitions``; ``time_in_each_state_seconds``, in which a state visited twice adds up and the last
        one counts 0; ``total_duration_seconds``; ``average_time_per_state_seconds``, the duration per transition.

    Raises:
        ValueError: an entry has no state, or no time that can be read.
    """
    states = [_entry(index, entry) for index, entry in enumerate(state_history)]
    spent: dict[str, float] = {}
    for (state, since), (_, until) in pairwise(states):
        # a clock that was set back between two entries makes no negative time
        spent[state] = spent.get(state, 0.0) + max((until - since).total_seconds(), 0.0)
    if states:
        spent.setdefault(states[-1][0], 0.0)
    transitions = max(len(states) - 1, 0)
    total = sum(spent.values())
    return {
        "total_transitions": transitions,
        "time_in_each_state_seconds": spent,
        "total_duration_seconds": total,
        "average_time_per_state_seconds": round(total / transitions, 2) if transitions else 0.0,
    }


def _entry(index: int, entry: Mapping[str, Any]) -> tuple[str, datetime]:
    try:
        state, at = entry["state"], entry["timestamp"]
        if not isinstance(state, str):
            raise TypeError(f"{state!r} is no state")  # noqa: TRY301 - said with the entry's number, as all else
        moment = at if isinstance(at, datetime) else datetime.fromisoformat(at)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"entry {index} of the history needs a 'state' and a 'timestamp' (a datetime or ISO 8601): {error}"
        ) from error
    return str(state), moment if moment.tzinfo else moment.replace(tzinfo=UTC)
