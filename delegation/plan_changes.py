"""What may change while a plan is worked, as data: who is there, what is to be done, how long it takes, who does it.

A change is made to the plan and checked like any plan; who does the rest from then on is for ``replan`` to say.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from delegation.eligibility import shortfall
from delegation.errors import PlanError
from delegation.plan import Cancelled, Plan, Subtask, SubtaskId, work_digest
from delegation.plan_check import check_plan
from delegation.squad import MemberId, SquadMember

__all__ = [
    "AddSubtask",
    "CancelSubtask",
    "ChangedPlan",
    "MemberAvailable",
    "MemberUnavailable",
    "PlanChange",
    "Reassign",
    "ReviseEstimate",
    "change_plan",
]

_SOMEBODY_THERE = "give it to somebody who is there"


class _Change(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MemberUnavailable(_Change):
    """A member drops out: what it had, and what it is at work on, goes to others."""

    kind: Literal["member_unavailable"] = "member_unavailable"
    member_id: MemberId
    reason: str = ""


class MemberAvailable(_Change):
    """A member that had dropped out is there again."""

    kind: Literal["member_available"] = "member_available"
    member_id: MemberId


class ReviseEstimate(_Change):
    """A subtask takes so many hours, all in all, and not what was thought."""

    kind: Literal["revise_estimate"] = "revise_estimate"
    subtask_id: SubtaskId
    hours: float = Field(ge=0.0, allow_inf_nan=False)


class AddSubtask(_Change):
    """One subtask more, which may depend on others; those that are named as needing it wait for it."""

    kind: Literal["add_subtask"] = "add_subtask"
    subtask: Subtask
    needed_by: tuple[SubtaskId, ...] = ()


class CancelSubtask(_Change):
    """A subtask that nobody wants any more: what waited for it waits for what it waited for."""

    kind: Literal["cancel_subtask"] = "cancel_subtask"
    subtask_id: SubtaskId
    reason: str = ""


class Reassign(_Change):
    """A subtask is somebody else's from now on."""

    kind: Literal["reassign"] = "reassign"
    subtask_id: SubtaskId
    member_id: MemberId
    reason: str = ""


PlanChange = Annotated[
    MemberUnavailable | MemberAvailable | ReviseEstimate | AddSubtask | CancelSubtask | Reassign,
    Field(discriminator="kind"),
]


class ChangedPlan(BaseModel):
    """What came of changes: the plan, who is not there and why, who is to have what, and each change in words."""

    model_config = ConfigDict(frozen=True)

    plan: Plan | None
    away: dict[MemberId, str] = {}
    given: dict[SubtaskId, MemberId] = {}
    told: list[str] = []


def change_plan(
    plan: Plan | None,
    changes: Iterable[PlanChange],
    members: Sequence[SquadMember],
    *,
    away: Mapping[str, str] = {},
    done: Collection[str] = (),
    criteria: Iterable[str] = (),
) -> ChangedPlan:
    """Make changes, one after another; the plan that they lead to is checked as a whole.

    Args:
        plan: the plan as it is; None where there is none yet, and then only members may come and go.
        changes: what changes, in order.
        members: the whole squad, those who are away too.
        away: who has dropped out before, with the reason.
        done: ids of subtasks that are done, which no change is about any more.
        criteria: texts of the criteria that some subtask must still serve.

    Raises:
        PlanError: a change names a member or subtask that there is not, or one that it cannot be about, or the plan
            could not be worked after them.
    """
    work = _Work(plan, {member.id: member for member in members}, dict(away), frozenset(done))
    for change in changes:
        work.make(change)
    work.check_given()
    if plan is None or work.plan is None or work.plan == plan:
        return ChangedPlan(plan=plan, away=work.away, given=work.given, told=work.told)
    check_plan(work.plan, criteria)
    amended = work.plan.model_copy(update={"amends": plan.amends or work_digest(plan.subtasks)})
    return ChangedPlan(plan=amended, away=work.away, given=work.given, told=work.told)


class _Work:
    """A plan while changes are made to it."""

    def __init__(
        self, plan: Plan | None, members: dict[str, SquadMember], away: dict[str, str], done: frozenset[str]
    ) -> None:
        self.plan, self.members, self.away, self.done = plan, members, away, done
        self.given: dict[str, str] = {}
        self.told: list[str] = []

    def make(self, change: PlanChange) -> None:
        """Make one change."""
        match change:
            case MemberUnavailable():
                self.away[self._member(change.member_id).id] = change.reason
                self._tell(f"{change.member_id} is not available", change.reason)
            case MemberAvailable():
                if self.away.pop(self._member(change.member_id).id, None) is None:
                    raise PlanError(f"member {change.member_id!r} has not dropped out", hint=self._who_is_away())
                self._tell(f"{change.member_id} is available again")
            case ReviseEstimate():
                self._revise(self._subtask(change.subtask_id), change.hours)
            case AddSubtask():
                self._add(change.subtask, change.needed_by)
            case CancelSubtask():
                self._cancel(self._subtask(change.subtask_id), change.reason)
            case Reassign():
                self._give(self._subtask(change.subtask_id), self._member(change.member_id), change.reason)

    def check_given(self) -> None:
        """Check that nobody was given work by one change and drops out by another."""
        for subtask_id, member_id in self.given.items():
            if member_id in self.away:
                raise PlanError(f"{subtask_id!r} was given to {member_id!r}, who drops out", hint=_SOMEBODY_THERE)

    def _revise(self, subtask: Subtask, hours: float) -> None:
        span = subtask.estimate and (min(subtask.estimate[0], hours), hours, max(subtask.estimate[2], hours))
        self._replace(subtask.model_copy(update={"effort": hours, "estimate": span}))
        self._tell(f"{subtask.id} takes {hours:g} h and not {subtask.effort:g} h")

    def _add(self, subtask: Subtask, needed_by: Iterable[str]) -> None:
        plan = self._plan()
        taken = {*(one.id for one in plan.subtasks), *(one.subtask.id for one in plan.cancelled)}
        if subtask.id in taken:
            raise PlanError(f"subtask id {subtask.id!r} is taken", hint="give the new subtask an id of its own")
        if not subtask.title.strip():
            raise PlanError(f"the new subtask {subtask.id!r} has no title", hint="say in a line what is to be done")
        self.plan = plan.model_copy(update={"subtasks": [*plan.subtasks, subtask]})
        for later in map(self._subtask, needed_by):
            self._replace(later.model_copy(update={"depends_on": [*later.depends_on, subtask.id]}))
        self._tell(f"{subtask.id} is new: {subtask.title}")

    def _cancel(self, subtask: Subtask, reason: str) -> None:
        plan = self._plan()
        left = [_without(one, subtask) for one in plan.subtasks if one.id != subtask.id]
        cases = [
            case.model_copy(update={"subtask_ids": [one for one in case.subtask_ids if one != subtask.id]})
            for case in plan.test_cases
        ]
        cancelled = [*plan.cancelled, Cancelled(subtask=subtask, reason=reason)]
        self.plan = plan.model_copy(update={"subtasks": left, "test_cases": cases, "cancelled": cancelled})
        self.given.pop(subtask.id, None)
        self._tell(f"{subtask.id} is cancelled", reason)

    def _give(self, subtask: Subtask, member: SquadMember, reason: str) -> None:
        if member.id in self.away:
            raise PlanError(f"member {member.id!r} has dropped out", hint=_SOMEBODY_THERE)
        if lacking := shortfall(member, subtask):
            raise PlanError(f"member {member.id!r} cannot do {subtask.id!r}: {lacking}", hint="give it to another one")
        self.given[subtask.id] = member.id
        self._tell(f"{subtask.id} is to be done by {member.id}", reason)

    def _replace(self, subtask: Subtask) -> None:
        plan = self._plan()
        everything = [subtask if one.id == subtask.id else one for one in plan.subtasks]
        self.plan = plan.model_copy(update={"subtasks": everything})

    def _plan(self) -> Plan:
        if self.plan is None:
            raise PlanError("there is no plan yet that could be changed", hint="wait until it has been made")
        return self.plan

    def _subtask(self, subtask_id: str) -> Subtask:
        """Return the subtask that a change is about, which is neither done nor cancelled."""
        plan = self._plan()
        if subtask_id in self.done:
            raise PlanError(f"subtask {subtask_id!r} is done already", hint="add another one where more is to be done")
        if any(one.subtask.id == subtask_id for one in plan.cancelled):
            raise PlanError(f"subtask {subtask_id!r} is cancelled already", hint="add one under another id")
        try:
            return plan.subtask(subtask_id)
        except KeyError:
            hint = _nearest(subtask_id, [one.id for one in plan.subtasks], "subtasks")
            raise PlanError(f"the plan has no subtask {subtask_id!r}", hint=hint) from None

    def _member(self, member_id: str) -> SquadMember:
        if member_id not in self.members:
            raise PlanError(f"the squad has no member {member_id!r}", hint=_nearest(member_id, self.members, "members"))
        return self.members[member_id]

    def _who_is_away(self) -> str:
        return f"those who have: {', '.join(self.away)}" if self.away else "nobody has"

    def _tell(self, what: str, reason: str = "") -> None:
        self.told.append(f"{what} ({reason})" if reason else what)


def _without(subtask: Subtask, gone: Subtask) -> Subtask:
    """Return a subtask that waits for what a cancelled one waited for, where it waited for that one."""
    if gone.id not in subtask.depends_on:
        return subtask
    kept = [one for one in [*subtask.depends_on, *gone.depends_on] if one != gone.id]
    return subtask.model_copy(update={"depends_on": list(dict.fromkeys(kept))})


def _nearest(name: str, known: Iterable[str], what: str) -> str:
    names = list(known)
    if close := difflib.get_close_matches(name, names, n=2):
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"its {what} are {', '.join(names[:20])}{', …' if len(names) > 20 else ''}"
