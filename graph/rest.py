"""What is left of an execution that is under way, and a new schedule for it, as one transaction sees both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row

from delegation import (
    AddSubtask,
    Approval,
    Assignment,
    CancelSubtask,
    Change,
    ChangedPlan,
    Gate,
    GateKind,
    GateStatus,
    OutcomeStatus,
    Plan,
    PlanChange,
    Progress,
    Replan,
    Running,
    Schedule,
    Subtask,
    change_plan,
    replan,
)
from delegation.deadlines import lateness_told, with_deadlines
from delegation.windows import Span
from graph.asking import approval_gate, hands_told
from graph.board_facts import BoardFacts, read_board
from graph.engine import Planned
from graph.hours import busy_hours, hours_between, hours_left, members_at
from graph.leaving import leave_unasked, move_of
from graph.lifecycle import WorkflowState
from graph.state import state_after
from persistence import (
    Effects,
    Facts,
    Handover,
    ask_otherwise,
    lead_gates_to,
    lease,
    load_facts,
    load_transitions,
    load_workload,
    utc_now,
    withdraw_gates_about,
)

__all__ = ["Rest"]

_S = WorkflowState
_WITHOUT_PLAN = frozenset({_S.PENDING, _S.ANALYZING, _S.PLANNING})
_CHECKING = frozenset({_S.REVIEWING, _S.TESTING})
_MOVED_H = 0.1
"""Planned times that shift by less than this, in hours, are left as they are."""


@dataclass
class Rest:
    """What is left of an execution, as one transaction sees it."""

    connection: Connection
    row: Row[Any]

    def __post_init__(self) -> None:
        self.now: datetime = utc_now()
        self.facts: Facts = load_facts(self.connection, self.row)
        has_plan = self.row.plan is not None and self.row.status not in _WITHOUT_PLAN
        self.plan = Plan.model_validate(self.row.plan) if has_plan else None

    @cached_property
    def board(self) -> BoardFacts:
        """What the database knows of the board."""
        return read_board(self.connection, self.row.id, self._working["since"])

    @cached_property
    def _working(self) -> dict[str, Any]:
        """The working state as the log has it."""
        return state_after(load_transitions(self.connection, self.row.id))

    @cached_property
    def ends(self) -> dict[str, OutcomeStatus]:
        """How the subtasks stand that have ended and are not open again."""
        sent_back = [one["subtask_id"] for one in self._working["findings"] if one["subtask_id"]]
        return self.board.outcomes(self._working["round"], sent_back, self._working["since"])

    @cached_property
    def _busy(self) -> list[Span]:
        """When members are taken by other executions."""
        return busy_hours(load_workload(self.connection, self.row.id), self.now)

    @cached_property
    def _is_worked(self) -> bool:
        """Whether members are at the board, and somebody drives them."""
        return self.row.status == _S.IN_PROGRESS and lease.driver(self.connection, self.row.id) is not None

    @property
    def asked(self) -> list[Gate]:
        """The open gates."""
        return [gate for gate in self.board.gates if gate.status == GateStatus.OPEN]

    def changed(self, changes: Sequence[PlanChange]) -> ChangedPlan:
        """Make the changes."""
        done = [one for one, status in self.ends.items() if status == OutcomeStatus.DONE] if self.plan else []
        criteria = [one["text"] for one in (self.row.requirements or {}).get("criteria", [])]
        members = self.facts.squad.members
        return change_plan(self.plan, changes, members, away=self.row.away or {}, done=done, criteria=criteria)

    def rescheduled(self, made: ChangedPlan, effects: Effects, changes: Sequence[PlanChange], reason: str) -> str:
        """Schedule the rest, add to the effects what follows from that, and say in a line what came of it.

        Before work is assigned for the first time there is nothing to reschedule: that is done with what is changed.
        """
        told = [*made.told, *filter(None, [reason])]
        if made.plan is None or not self._is_assigned(made.plan):
            if told:
                effects.log("replanned", "; ".join(told), changes=_plain(changes))
            return "; ".join(told)
        found = self._replanned(made, made.plan)
        found = found.model_copy(update={"changes": [*self._given(made), *found.changes]})
        if not changes and not found.changes:
            return f"{reason}; nobody has to do anything else"
        effects.handovers = self._handovers(made, found, reason or "; ".join(made.told))
        hands = len(found.changes)
        told.append(f"{hands} {'change' if hands == 1 else 'changes'} of hands, {found.schedule.makespan:g} h to go")
        late = lateness_told(found.schedule, self._dated(made.plan))
        new = [one.subtask.id for one in changes if isinstance(one, AddSubtask)]
        if waiting := [gate for gate in self.asked if gate.kind == GateKind.APPROVAL]:
            for gate in waiting:  # nobody is told to take anything before a human has approved who does
                self._ask_about_these(gate, made.plan, effects.handovers, "; ".join(told))
        else:
            effects.messages += hands_told(self.row.id, found, made.plan, new=new, reason="; ".join(told[:-1]))
        told += [late[:1].lower() + late[1:].removesuffix(".")] if late else []
        figures = {"hands": hands, "hours": found.schedule.makespan}
        effects.log("replanned", "; ".join(told), changes=_plain(changes), **figures)
        return "; ".join(told)

    def _ask_about_these(self, gate: Gate, plan: Plan, handovers: Sequence[Handover], why: str) -> None:
        """Have the question for approval ask about the assignments as they are now."""
        given = {one.subtask_id: one for one in self._previous({}).assignments}
        for one in handovers:
            now = Assignment(subtask_id=one.subtask_id, member_id=one.member_id, start=one.start, finish=one.finish)
            given[one.subtask_id] = now
        mine = [given[one.id] for one in plan.subtasks if one.id in given]
        end = max((one.finish for one in mine), default=0.0)
        schedule = Schedule(assignments=mine, makespan=round(end, 3), critical_path=[])
        approval = Approval(approved=True, reasons=[*gate.metadata.get("reasons", []), why], schedule=schedule)
        asked = approval_gate(plan, approval, self.facts.squad.members)
        ask_otherwise(self.connection, self.row.id, gate.id, asked)

    def _given(self, made: ChangedPlan) -> list[Change]:
        """Return the changes of hands that were asked for by name."""
        had = {one: given.member_id for one, given in self.board.assignments.items()}
        return [
            Change(subtask_id=one, before=had[one], after=to, forced=True)
            for one, to in made.given.items()
            if had.get(one, to) != to
        ]

    def led_on(self, planned: Planned, changes: Sequence[PlanChange], text: str) -> Planned:
        """Have the execution move where the changes ask for that.

        Work that is added while others check goes back to the board, and a question that nobody has any more is
        withdrawn, with which an execution that asked nothing else goes on.
        """
        adds = any(isinstance(one, AddSubtask) for one in changes)
        if adds and self.row.status in _CHECKING:
            move = move_of(self.row, _S.IN_PROGRESS, text, {"by": "caller"})
        elif self.row.status == _S.BLOCKED:
            if adds:
                lead_gates_to(self.connection, self.row.id, _S.IN_PROGRESS, _CHECKING)
            cancelled = [one.subtask_id for one in changes if isinstance(one, CancelSubtask)]
            about = [gate for gate in self.asked if gate.subtask_id in cancelled]
            if not about:
                return planned
            withdraw_gates_about(self.connection, self.row.id, cancelled)
            if len(about) < len(self.asked):
                return planned
            move = leave_unasked(self.connection, self.row, text)
        else:
            return planned
        planned.move = move
        return planned

    def _is_assigned(self, plan: Plan) -> bool:
        ids = {subtask.id for subtask in plan.subtasks}
        return self.row.status != _S.DELEGATED and bool(self.board.assignments.keys() & ids)

    def _replanned(self, made: ChangedPlan, plan: Plan) -> Replan:
        """Schedule the rest; what waits for an answer, or for such a one, is given to somebody as if it were there."""
        now = self._scheduled(made, plan, waits=self.row.status == _S.BLOCKED)
        there = {member.id for member in self.facts.there(made.away).squad.members}
        kept = {one for one, given in self.board.assignments.items() if given.member_id in there} - made.given.keys()
        placed = kept | {one.subtask_id for one in now.schedule.assignments} | self.ends.keys() - made.given.keys()
        if placed >= {subtask.id for subtask in plan.subtasks}:
            return now
        later = self._scheduled(made, plan, waits=True)
        more = [one for one in later.schedule.assignments if one.subtask_id not in placed]
        changes = [one for one in later.changes if one.subtask_id not in placed]
        schedule = now.schedule.model_copy(update={"assignments": [*now.schedule.assignments, *more]})
        return Replan(schedule=schedule, changes=[*now.changes, *changes])

    def _scheduled(self, made: ChangedPlan, plan: Plan, *, waits: bool) -> Replan:
        """Schedule the rest; ``waits``: what waits for an answer gets it now."""
        members = members_at(self.facts.there(made.away), self.now)
        todo = [self._as_it_may_be_given(one, made.given) for one in self._dated(plan).subtasks]
        return replan(
            todo, members, self._previous(made.given), self._progress(plan, made, waits=waits), busy=self._busy
        )

    def _dated(self, plan: Plan) -> Plan:
        """Return the plan with the hours that are left by the task's deadline."""
        return with_deadlines(plan, hours_left(self.facts.task, self.now))

    def _as_it_may_be_given(self, subtask: Subtask, given: Mapping[str, str]) -> Subtask:
        """Return the subtask without those who have refused it, or for the one alone to whom it was given."""
        not_by = set(self.board.refusals(self._working["since"]).get(subtask.id, ()))
        if (chosen := given.get(subtask.id)) is not None:
            not_by = {one.id for one in self.facts.squad.members if one.id != chosen}
        return subtask.model_copy(update={"excluded": sorted({*subtask.excluded, *not_by})}) if not_by else subtask

    def _previous(self, given: Mapping[str, str]) -> Schedule:
        """Return the assignments in force, their hours counted from now."""
        rows = []
        for one in self.board.assignments.values():
            ago = hours_between(one.at, self.now) if one.at else 0.0
            who = given.get(one.subtask_id, one.member_id)
            row = Assignment(subtask_id=one.subtask_id, member_id=who, start=one.start - ago, finish=one.finish - ago)
            rows.append(row)
        return Schedule(assignments=rows, makespan=0.0, critical_path=[])

    def _progress(self, plan: Plan, made: ChangedPlan, *, waits: bool) -> Progress:
        ids = {subtask.id for subtask in plan.subtasks}
        ends = {one: status for one, status in self.ends.items() if one in ids}
        unfinished = {OutcomeStatus.BLOCKED: "it waits for an answer", OutcomeStatus.FAILED: "it failed"}
        return Progress(
            done=[one for one, status in ends.items() if status == OutcomeStatus.DONE],
            blocked={one: unfinished[status] for one, status in ends.items() if status in unfinished and not waits},
            running=[one for one in self._running(plan) if one.subtask_id not in made.given],
        )

    def _running(self, plan: Plan) -> list[Running]:
        """Return what is at work, with the hours that are left of it by its estimate."""
        if not self._is_worked:
            return []
        ended = {done.subtask_id: done.at for done in self.board.work}
        found = []
        for subtask in plan.subtasks:
            one = self.board.assignments.get(subtask.id)
            if one is None or one.started_at is None:
                continue
            if subtask.id in ended and ended[subtask.id] >= one.started_at:
                continue  # that work has ended, however it did
            left = max(subtask.effort - hours_between(one.started_at, self.now), 0.0)
            found.append(Running(subtask_id=subtask.id, member_id=one.member_id, remaining=left))
        return found

    def _handovers(self, made: ChangedPlan, found: Replan, reason: str) -> list[Handover]:
        """Return the assignments that differ from those in force; what runs, and goes on, keeps its own."""
        assert made.plan is not None
        before = {one.subtask_id: one for one in self._previous({}).assignments}
        moved = {one.subtask_id for one in found.changes} | made.given.keys()
        runs = {one.subtask_id for one in self._running(made.plan)} - moved
        return [
            Handover(one.subtask_id, one.member_id, one.start, one.finish, reason)
            for one in found.schedule.assignments
            if one.subtask_id not in runs and (one.subtask_id in moved or _differs(one, before.get(one.subtask_id)))
        ]


def _differs(one: Assignment, before: Assignment | None) -> bool:
    if before is None or one.member_id != before.member_id:
        return True
    return max(abs(one.start - before.start), abs(one.finish - before.finish)) > _MOVED_H


def _plain(changes: Sequence[PlanChange]) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json") for one in changes]
