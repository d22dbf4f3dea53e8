"""How a board stands: who does what, what is behind, what stands in the way, and what may come too late."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from delegation.board import Board
from delegation.dependencies import Network, check
from delegation.outcome import OutcomeStatus
from delegation.plan import Plan, Subtask
from delegation.review import Severity
from delegation.squad import SquadMember
from delegation.standup import BoardBlocker, BoardStatus, Doing, MemberStatus, Risk, Velocity

__all__ = ["BEHIND", "board_status"]

BEHIND = 1.5
"""How many times its estimate a subtask may take before its member counts as behind."""

_NEXT = 5
"""How many of the subtasks that a member has before it are named."""

_MEASURABLE = 0.01
"""Hours below which nothing is said of a pace: it would be noise."""


def board_status(
    board: Board,
    plan: Plan,
    members: Sequence[SquadMember],
    *,
    running: Mapping[str, float] = {},
    estimates: Mapping[str, float] = {},
    elapsed: float = 0.0,
    hours_to_deadline: float | None = None,
    because: Collection[str] = (),
) -> BoardStatus:
    """Work out how a board stands.

    Args:
        board: The rules' board, which knows who has what and how it ended.
        plan: Its subtasks.
        members: The squad's.
        running: How many hours each subtask at work has taken so far.
        estimates: How many hours those were estimated at when they were begun; the plan's own where it is left out.
        elapsed: Hours since the work began.
        hours_to_deadline: Hours that are left until the task's deadline, where it has one.
        because: What the standup is held for.
    """
    stuck = board.stuck
    blockers = _blockers(board, plan, stuck)
    taken = board.taken
    doing = {
        one.id: _doing(one, running.get(one.id, 0.0), estimates.get(one.id, one.effort))
        for one in plan.subtasks
        if one.id in taken
    }
    statuses = _members(board, plan, members, doing, stuck)
    late = {one.subtask_id: status.member_id for status in statuses for one in status.doing if one.is_behind}
    needs_help = {member: f"is behind on {subtask}" for subtask, member in late.items()}
    for blocker in blockers:
        if blocker.member_id:
            needs_help.setdefault(blocker.member_id, f"cannot go on with {blocker.subtask_id}")
    waiting = [one for status in statuses if status.member_id in late.values() for one in status.next]
    return BoardStatus(
        because=list(because),
        members=statuses,
        velocity=_velocity(board, plan, elapsed),
        blockers=blockers,
        needs_help=needs_help,
        at_risk=_risks(board, plan, late, stuck, elapsed, hours_to_deadline),
        takers={one: takers for one in waiting if (takers := board.takers(one))},
    )


def _members(
    board: Board, plan: Plan, members: Sequence[SquadMember], doing: Mapping[str, Doing], stuck: Mapping[str, str]
) -> list[MemberStatus]:
    """Return the status of each member that has, or had, anything to do with the plan."""
    mine: dict[str | None, list[Subtask]] = {}
    for subtask in plan.subtasks:
        mine.setdefault(board.owner(subtask.id), []).append(subtask)
    return [_member(board, one, mine[one.id], doing, stuck) for one in members if one.id in mine]


def _member(
    board: Board,
    member: SquadMember,
    mine: Sequence[Subtask],
    doing: Mapping[str, Doing],
    stuck: Collection[str],
) -> MemberStatus:
    ended = {one.id: board.status(one.id) for one in mine}
    waits = [one for one, status in ended.items() if status is None and one not in doing and one not in stuck]
    return MemberStatus(
        member_id=member.id,
        role=member.role,
        done=[one for one, status in ended.items() if status is OutcomeStatus.DONE],
        doing=[doing[one] for one in ended if one in doing],
        next=waits[:_NEXT],
        blocked=[one for one in ended if one in stuck],
    )


def _doing(subtask: Subtask, elapsed: float, estimate: float) -> Doing:
    return Doing(
        subtask_id=subtask.id,
        title=subtask.title,
        elapsed=round(elapsed, 2),
        estimate=estimate,
        is_behind=elapsed > BEHIND * estimate,
    )


def _velocity(board: Board, plan: Plan, elapsed: float) -> Velocity:
    done = [one for one in plan.subtasks if board.status(one.id) is OutcomeStatus.DONE]
    hours, spent = sum(one.effort for one in done), round(elapsed, 2)
    return Velocity(
        subtasks_done=len(done),
        subtasks=len(plan.subtasks),
        hours_done=round(hours, 2),
        hours_left=round(sum(one.effort for one in plan.subtasks) - hours, 2),
        elapsed=spent,
        pace=round(hours / spent, 2) if spent >= _MEASURABLE else None,
    )


def _blockers(board: Board, plan: Plan, stuck: Mapping[str, str]) -> list[BoardBlocker]:
    """Return each subtask that stands in its own way; those that only wait for such a one are counted with it."""
    if not stuck:
        return []
    behind: dict[str, list[str]] = {}
    for subtask in plan.subtasks:
        for earlier in subtask.depends_on:
            behind.setdefault(earlier, []).append(subtask.id)
    left = sum(board.status(one.id) is not OutcomeStatus.DONE for one in plan.subtasks)
    found = []
    for subtask in plan.subtasks:
        if subtask.id not in stuck or stuck.keys() & set(subtask.depends_on):
            continue
        waiting = _all_behind(subtask.id, behind)
        severity: Severity = "low" if not waiting else "high" if 2 * (waiting + 1) > left else "medium"
        found.append(
            BoardBlocker(
                subtask_id=subtask.id,
                member_id=board.owner(subtask.id),
                severity=severity,
                reason=stuck[subtask.id],
                waiting=waiting,
            )
        )
    return found


def _all_behind(subtask_id: str, behind: Mapping[str, list[str]]) -> int:
    seen, queue = {subtask_id}, [subtask_id]
    for one in queue:  # grows while it is walked
        fresh = [later for later in behind.get(one, ()) if later not in seen]
        seen.update(fresh)
        queue += fresh
    return len(seen) - 1


def _risks(
    board: Board,
    plan: Plan,
    late: Mapping[str, str],
    stuck: Mapping[str, str],
    elapsed: float,
    hours_to_deadline: float | None,
) -> list[Risk]:
    left = [one for one in plan.subtasks if board.status(one.id) is not OutcomeStatus.DONE]
    if not left:
        return []
    rest = _rest(left)
    found = [*_on_the_path(rest, late, stuck), *_past_due(left, elapsed)]
    longest = max(rest.path)
    if hours_to_deadline is not None and longest > hours_to_deadline:
        reason = f"at least {longest:g} h are left, and the deadline is in {max(hours_to_deadline, 0.0):.2f} h"
        found.append(Risk(subtask_id=None, reason=reason))
    return found


def _rest(left: Sequence[Subtask]) -> Network:
    """Return what is left as a network of its own: what is done holds nothing up."""
    ids = {one.id for one in left}
    return check(one.model_copy(update={"depends_on": [on for on in one.depends_on if on in ids]}) for one in left)


def _on_the_path(rest: Network, late: Collection[str], stuck: Mapping[str, str]) -> Iterator[Risk]:
    for one in rest.critical_path():
        if one in late:
            yield Risk(subtask_id=one, reason="it is behind, and on the critical path")
        elif one in stuck:
            yield Risk(subtask_id=one, reason=f"on the critical path: {stuck[one]}")


def _past_due(left: Sequence[Subtask], elapsed: float) -> Iterator[Risk]:
    for one in left:
        if one.deadline is not None and elapsed + one.effort > one.deadline:
            reason = f"due after {one.deadline:g} h; {elapsed:.2f} h are over, and it takes {one.effort:g} h"
            yield Risk(subtask_id=one.id, reason=reason)
