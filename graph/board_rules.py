"""The rules' board of a step: put together from what the database knows and from the step's state."""

from collections.abc import Collection, Mapping

from delegation import Board, Plan
from graph.board_facts import BoardFacts
from graph.hours import away_at
from graph.step import Step
from persistence import utc_now

__all__ = ["rules_of"]


def rules_of(
    step: Step, facts: BoardFacts, plan: Plan, *, present: Collection[str] | None = None, taken: Mapping[str, str] = {}
) -> Board:
    """Return the rules' board as the database and the step's state have it; see :meth:`BoardFacts.board`."""
    return facts.board(
        plan,
        step.facts.squad.members,
        round_=step.round,
        since=step.since,
        sent_back=[one.subtask_id for one in step.state.get("findings") or [] if one.subtask_id],
        max_refusals=step.settings.max_refusals,
        present=present,
        taken=taken,
        away=lambda: away_at(step.facts, utc_now()),
    )
