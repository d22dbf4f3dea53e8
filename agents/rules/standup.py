"""What a standup says and decides by rules: the board's facts in sentences, and who should take over what."""

from collections.abc import Iterator

from agents.rules.quoting import inline
from delegation import BoardStatus, StandupAction

__all__ = ["actions_for", "told_of"]

_MOST = 6
"""How many of a kind are named; the facts themselves go along with the standup."""

_MOST_MOVED = 3
"""How many subtasks one standup hands to somebody else at most."""


def told_of(board: BoardStatus) -> Iterator[str]:
    """Yield what the facts say beyond counts, a sentence each."""
    velocity = board.velocity
    if velocity.pace is not None:
        yield (
            f"Velocity: {velocity.hours_done:g} h of work done in {velocity.elapsed:g} h, "
            f"{velocity.hours_left:g} h to go."
        )
    for blocker in board.blockers[:_MOST]:
        waiting = f", and {blocker.waiting} more wait for it" if blocker.waiting else ""
        yield f"Blocker ({blocker.severity}): {inline(blocker.subtask_id, 40)} {inline(blocker.reason)}{waiting}."
    for member_id, why in list(board.needs_help.items())[:_MOST]:
        yield f"{inline(member_id, 80)} needs help: {inline(why)}."
    for risk in board.at_risk[:_MOST]:
        what = inline(risk.subtask_id, 40) if risk.subtask_id else "the task"
        yield f"At risk: {what}, {inline(risk.reason)}."


def actions_for(board: BoardStatus) -> list[StandupAction]:
    """Return what the facts ask for: work that waits behind somebody who is behind goes on, and blockers to a human."""
    late = {
        one: status.member_id
        for status in board.members
        if any(doing.is_behind for doing in status.doing)
        for one in status.next
    }
    at_work = {status.member_id for status in board.members if status.doing}
    actions: list[StandupAction] = []
    for subtask_id, takers in board.takers.items():
        idle = [one for one in takers if one not in at_work]
        if subtask_id in late and idle and len(actions) < _MOST_MOVED:
            reason = f"{late[subtask_id]} is behind, and {idle[0]} has nothing at hand"
            actions.append(StandupAction(kind="reassign", subtask_id=subtask_id, to=idle[0], reason=reason))
            at_work.add(idle[0])
    return actions + [
        StandupAction(kind="ask_human", subtask_id=blocker.subtask_id, reason=blocker.reason)
        for blocker in board.blockers[:_MOST]
    ]
