"""A squad at work in virtual time, on the board's own rules: what a policy or another squad would mean for lead times.

Nothing waits: hours pass as fast as they can be counted. Work takes its effort times a random factor, and may fail,
come back or be refused. Each draw belongs to one subtask of one task, not to a moment, so that two policies or two
squads meet the same luck and their results can be compared.
"""

import heapq
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from delegation.board import Board
from delegation.errors import InputError
from delegation.json_values import listed, validated
from delegation.luck import Luck
from delegation.outcome import OutcomeStatus
from delegation.plan import Plan, Subtask
from delegation.policies import OrderPolicy
from delegation.schedule import schedule
from delegation.squad import Squad, SquadMember
from delegation.task import PRIORITY_WEIGHT, Task
from delegation.windows import presence
from delegation.workload import Claim, taken_by

__all__ = ["SimulationResult", "Worked", "simulate"]

Work = Task | Plan | Sequence[Subtask]
"""What the simulation takes for one task: the task itself, its plan or its subtasks."""


class Worked(BaseModel):
    """Who was at work on what, and when, in hours."""

    model_config = ConfigDict(frozen=True)

    task: int = Field(description="Number of the task in the order of arrival, from 0.")
    subtask_id: str
    member_id: str
    start: float
    finish: float


class SimulationResult(BaseModel):
    """What came of it; times in hours."""

    model_config = ConfigDict(frozen=True)

    completed: int = Field(description="Tasks whose subtasks were all done.")
    unfinished: int = Field(description="Tasks with a subtask that failed, was blocked or could not be assigned.")
    lead_times: list[float | None] = Field(description="By task: from its arrival to its end; None where unfinished.")
    lead_mean: float | None = Field(description="Mean lead time of the completed tasks; None without any.")
    lead_median: float | None
    lead_p90: float | None = Field(description="Nine of ten completed tasks took at most so long.")
    makespan: float = Field(description="When the last work ended.")
    utilisation: dict[str, float] = Field(
        description="By member: hours worked, as a part of what it had while it was there, up to the makespan;"
        " above 1 where work took longer than planned and ran into a leave."
    )
    done: int = Field(description="Subtasks done.")
    failures: int
    refusals: int
    reworks: int
    worked: list[Worked] = Field(description="All work in the order of its start: material for a chart of hours.")
    stuck: int = Field(description="Subtasks that could not be worked: unassigned, blocked or behind such a one.")


def simulate(
    tasks: Iterable[Work],
    squad: Squad | Sequence[SquadMember],
    policy: str | OrderPolicy = "critical_path",
    seed: int = 0,
    *,
    error: float = 0.3,
    failure: float = 0.0,
    rework: float = 0.0,
    refusal: float = 0.0,
    interval: float = 0.0,
    max_refusals: int = 3,
    break_down: Callable[[Task], Plan] | None = None,
) -> SimulationResult:
    """Let the squad work all tasks off and return what came of it; the same for the same arguments.

    Each task is scheduled at its arrival by ``policy``, around what is planned already. Then members pull: from the
    task with the highest priority first, the older one among equals, and within it by the board's rules.

    Args:
        tasks: In the order of their arrival.
        squad: Who works.
        policy: See ``schedule``.
        seed: For all draws.
        error: Spread of the actual hours around the effort: sigma of a lognormal factor whose mean is 1.
        failure: Probability that a subtask fails, which stops what depends on it.
        rework: Probability that finished work comes back, up to three times, for half of its effort each time.
        refusal: Probability that a member refuses a subtask, which costs no time.
        interval: Hours between two arrivals; 0 lets all arrive at once.
        max_refusals: How many refusals a subtask survives.
        break_down: Makes a task's plan; ``DelegationEngine().break_down_task`` unless given.

    Raises:
        InputError: A setting is out of its range.
        PlanError: A plan contradicts itself, or the policy is unknown.
    """
    for name, value in {"failure": failure, "rework": rework, "refusal": refusal}.items():
        if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
            raise InputError(f"{name} is a probability from 0 to 1, not {value!r}")
    for name, value in {"error": error, "interval": interval}.items():
        if not isinstance(value, int | float) or not 0.0 <= value < math.inf:
            raise InputError(f"{name} is a finite number, 0 or more, not {value!r}")
    members = squad.members if isinstance(squad, Squad) else listed(squad, SquadMember)
    luck = Luck(seed, error, failure, rework, refusal)
    run = _Run(members, policy, luck, max_refusals)
    for number, work in enumerate(listed(tasks)):
        run.arrive_later(number * interval, *_planned(work, break_down))
    run.until_nothing_moves()
    return run.result()


def _planned(work: Work, break_down: Callable[[Task], Plan] | None) -> tuple[Plan, int]:
    """Return the plan and its weight of priority: the task's or, without one, the highest of the subtasks."""
    if isinstance(work, Task):
        if break_down is None:
            from delegation.engine import DelegationEngine  # noqa: PLC0415 - the engine stands above this module

            break_down = DelegationEngine().break_down_task
        return break_down(work), PRIORITY_WEIGHT[work.priority]
    plan = work if isinstance(work, Plan) else validated(Plan, {"subtasks": listed(work)}, "a plan")
    return plan, max((PRIORITY_WEIGHT[one.priority] for one in plan.subtasks), default=0)


@dataclass(slots=True)
class _Open:
    """A task at work."""

    number: int
    arrived: float
    weight: int
    plan: Plan
    board: Board
    spans: dict[str, tuple[float, float]]  # by subtask id: planned start and finish
    begun: dict[str, float] = field(default_factory=dict)  # by subtask id: when work on it began

    def claims(self, now: float) -> list[Claim]:
        """Return what is left to do, and with whom it is by now."""
        return [
            Claim(
                member_id=self.board.owner(one) or "",
                start=self.spans[one][0] - now,
                finish=self.spans[one][1] - now,
                worked=now - self.begun[one] if one in self.begun else None,
            )
            for one in self.board.remaining
        ]


@dataclass
class _Run:
    members: Sequence[SquadMember]
    policy: str | OrderPolicy
    luck: Luck
    max_refusals: int
    now: float = 0.0
    makespan: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    lead_times: list[float | None] = field(default_factory=list)
    worked: list[Worked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hands = {member.id: member.capacity for member in self.members}
        self.open: list[_Open] = []
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.presence = {member.id: presence(member) for member in self.members}
        for opens in {opens for windows in self.presence.values() for opens, _ in windows}:
            self._later(opens, lambda: None)

    def _later(self, at: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self.events, (at, self._count, action))

    def arrive_later(self, at: float, plan: Plan, weight: int) -> None:
        number = len(self.lead_times)
        self.lead_times.append(None)
        self._later(at, lambda: self._arrive(number, plan, weight))

    def until_nothing_moves(self) -> None:
        while self.events:
            self.now = self.events[0][0]
            while self.events and self.events[0][0] == self.now:
                heapq.heappop(self.events)[-1]()
            self._hand_out()

    def _arrive(self, number: int, plan: Plan, weight: int) -> None:
        now = self.now
        squad = [one.later(now) for one in self.members]
        busy = [span for task in self.open for span in taken_by(task.claims(now))]
        planned = schedule(plan.subtasks, squad, policy=self.policy, busy=busy)
        board = Board(plan, planned, self.members, max_refusals=self.max_refusals, away=self._away)
        spans = {one.subtask_id: (now + one.start, now + one.finish) for one in planned.assignments}
        self.open.append(_Open(number, now, weight, plan, board, spans))
        self.open.sort(key=lambda task: (-task.weight, task.number))

    def _hand_out(self) -> None:
        """Let every free hand take work; again after a refusal, which may hand on to somebody asked before."""
        again = True
        while again:
            again = False
            for member in self.members:
                stays = self._stays(member)
                if self.hands[member.id] and stays >= 0.0:
                    for task in self.open:
                        again |= self._take(member.id, task, stays)
        for task in self.open:
            if task.board.is_over:
                self._close(task)
        self.open = [task for task in self.open if not task.board.is_over]

    def _away(self) -> set[str]:
        return {member.id for member in self.members if self._stays(member) < 0.0}

    def _stays(self, member: SquadMember) -> float:
        """Return for how many hours from now on the member is there; less than 0 while it is away."""
        return next((closes - self.now for opens, closes in self.presence[member.id] if opens <= self.now < closes), -1)

    def _take(self, member_id: str, task: _Open, stays: float) -> bool:
        """Let the member take what it can of one task in the hours it stays; tell whether it has refused anything."""
        refused = False
        too_long = []
        while self.hands[member_id] and (subtask := task.board.take(member_id)) is not None:
            if subtask.effort > stays:
                too_long.append(subtask.id)
            elif self.luck.refuses(task.number, subtask, member_id):
                refused = True
                self.counts["refusals"] += 1
                task.board.finish(subtask.id, OutcomeStatus.REFUSED, by=member_id)
            else:
                self._start(member_id, task, subtask)
        for subtask_id in too_long:
            task.board.release(subtask_id)
        return refused

    def _start(self, member_id: str, task: _Open, subtask: Subtask) -> None:
        hours, reworks, fails = self.luck.work(task.number, subtask)
        self.hands[member_id] -= 1
        self.worked.append(
            Worked(
                task=task.number, subtask_id=subtask.id, member_id=member_id, start=self.now, finish=self.now + hours
            )
        )
        self.counts["reworks"] += reworks
        task.begun[subtask.id] = self.now
        self._later(self.now + hours, lambda: self._finish(member_id, task, subtask, fails))

    def _finish(self, member_id: str, task: _Open, subtask: Subtask, fails: bool) -> None:  # noqa: FBT001
        self.hands[member_id] += 1
        self.makespan = self.now
        self.counts["failures" if fails else "done"] += 1
        task.board.finish(subtask.id, OutcomeStatus.FAILED if fails else OutcomeStatus.DONE, by=member_id)

    def _close(self, task: _Open) -> None:
        self.counts["stuck"] += len(task.board.stuck)
        if task.board.is_done:
            self.lead_times[task.number] = self.now - task.arrived

    def result(self) -> SimulationResult:
        times = sorted(time for time in self.lead_times if time is not None)
        return SimulationResult(
            completed=len(times),
            unfinished=len(self.lead_times) - len(times),
            lead_times=self.lead_times,
            lead_mean=statistics.fmean(times) if times else None,
            lead_median=statistics.median(times) if times else None,
            lead_p90=times[math.ceil(0.9 * len(times)) - 1] if times else None,
            makespan=self.makespan,
            utilisation=self._utilisation(),
            worked=self.worked,
            **{name: self.counts[name] for name in ("done", "failures", "refusals", "reworks", "stuck")},
        )

    def _utilisation(self) -> dict[str, float]:
        hours = dict.fromkeys(self.hands, 0.0)
        for one in self.worked:
            hours[one.member_id] += one.finish - one.start
        room = {
            one.id: one.capacity
            * sum(max(min(closes, self.makespan) - opens, 0.0) for opens, closes in self.presence[one.id])
            for one in self.members
        }
        return {who: worked / room[who] if room[who] else 0.0 for who, worked in hours.items()}
