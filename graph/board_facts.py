"""What the database knows of a board, and the rules' board that follows from it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from agents import Unfinished
from delegation import Assignment, Board, Deliverable, Gate, GateStatus, OutcomeStatus, Plan, Schedule, SquadMember
from persistence import (
    Assigned,
    Done,
    EarlierWork,
    load_assignments,
    load_earlier_work,
    load_gates,
    load_present_work,
    next_request,
)

__all__ = ["BoardFacts", "read_board"]

_UNFINISHED = frozenset({OutcomeStatus.BLOCKED, OutcomeStatus.FAILED, OutcomeStatus.REFUSED})


@dataclass(frozen=True)
class BoardFacts:
    """What the database knows of a board."""

    assignments: dict[str, Assigned]
    work: list[Done]
    """What was done, as far as it still says something, oldest first."""
    gates: list[Gate]
    asked: bool
    """Whether callers' requests are waiting."""
    earlier: EarlierWork | None = None
    """What tells the present plan's work from that of plans before, where there were any."""

    def board(
        self,
        plan: Plan,
        members: Sequence[SquadMember],
        *,
        round_: int,
        since: int,
        sent_back: Collection[str],
        max_refusals: int,
        present: Collection[str] | None = None,
        taken: Mapping[str, str] = {},
        away: Callable[[], Collection[str]] = frozenset,
    ) -> Board:
        """Return the rules' board.

        Args:
            plan: the subtasks.
            members: the squad's.
            round_: which opening for work this is; one more for each rework.
            since: the first round of this plan; what was worked for an earlier one counts for nothing.
            sent_back: ids of the subtasks that a review or test sent back before this round.
            max_refusals: how many members may refuse a subtask.
            present: the members whose turn it is in this opening; None means all.
            taken: who is at work on what, by subtask id.
            away: who is on leave at the moment.
        """
        given = [
            Assignment(subtask_id=one.subtask_id, member_id=one.member_id, start=one.start, finish=one.finish)
            for one in self.assignments.values()
        ]
        return Board(
            plan,
            Schedule(assignments=given, makespan=0.0, critical_path=[]),
            members,
            outcomes=self.outcomes(round_, sent_back, since),
            present=present,
            refusals=self.refusals(since),
            max_refusals=max_refusals,
            taken=taken,
            away=away,
        )

    def outcomes(self, round_: int, findings: Collection[str], since: int = 1) -> dict[str, OutcomeStatus]:
        """Return the ends that count in this round, by subtask.

        A subtask that was sent back counts only with an outcome of this round; one that could not go on is open again
        once the question about it has been answered.
        """
        ends: dict[str, OutcomeStatus] = {}
        for done in self.of_plan(since):
            ends.pop(done.subtask_id, None)
            sent_back = done.subtask_id in findings and done.round < round_
            if not sent_back and not (done.outcome.status in _UNFINISHED and self._answered_since(done)):
                ends[done.subtask_id] = done.outcome.status
        return ends

    def of_plan(self, since: int) -> list[Done]:
        """Return the work that was done for the plan that was made in that round."""
        return [done for done in self.work if done.round >= since]

    def refusals(self, since: int = 1) -> dict[str, set[str]]:
        """Return who has refused what, since a human last said something about it."""
        refused: dict[str, set[str]] = {}
        for done in self.of_plan(since):
            if done.outcome.status == OutcomeStatus.REFUSED and not self._answered_since(done):
                refused.setdefault(done.subtask_id, set()).add(done.member_id)
        return refused

    def refused(self, subtask_id: str, since: int = 1) -> list[Done]:
        """Return the refusals of a subtask since a human last said something about it, oldest first."""
        return [
            done
            for done in self.of_plan(since)
            if done.subtask_id == subtask_id
            and done.outcome.status == OutcomeStatus.REFUSED
            and not self._answered_since(done)
        ]

    def so_far(self, subtask_id: str, since: int = 1) -> list[Unfinished]:
        """Return what was made of a subtask, and left undone, since it was last done; oldest first."""
        left: list[Unfinished] = []
        for done in self.of_plan(since):
            if done.subtask_id != subtask_id:
                continue
            made = done.outcome
            if made.status == OutcomeStatus.DONE:
                left.clear()
            else:
                left.append(
                    Unfinished(
                        member_id=done.member_id, status=made.status, note=made.note, deliverable=made.deliverable
                    )
                )
        return left

    def turns(self, subtask_id: str) -> int:
        """Return how often work on a subtask of that id has ended, whatever plan it was of."""
        return max((done.turn for done in self.work if done.subtask_id == subtask_id), default=0)

    def attempts(self, subtask_id: str) -> int:
        """Return how often work on the present plan's subtask has ended."""
        return self.turns(subtask_id) - (self.earlier.turns.get(subtask_id, 0) if self.earlier else 0)

    def answers(self, subtask_id: str) -> list[tuple[str, str]]:
        """Return what humans were asked about the present plan's subtask, and what they answered, oldest first."""
        about = [gate for gate in self.gates if gate.subtask_id == subtask_id]
        if self.earlier is not None:  # the subtask of that id in an earlier plan was another one
            begun = self.earlier.begun.get(subtask_id)
            about = [gate for gate in about if begun and gate.opened_at >= begun]
        answered = [(gate.question, gate.answer) for gate in about if gate.answer]
        return [(question, str(answer.get("text") or answer.get("decision"))) for question, answer in answered]

    def _answered_since(self, done: Done) -> bool:
        return any(
            gate.subtask_id == done.subtask_id
            and gate.status == GateStatus.ANSWERED
            and (gate.closed_at or done.at) >= done.at
            for gate in self.gates
        )

    def deliverables(self, since: int) -> dict[str, Deliverable]:
        """Return the newest deliverable of each subtask that has one of that plan."""
        done = [one for one in self.of_plan(since) if one.outcome.status == OutcomeStatus.DONE]
        delivered = [(one.subtask_id, one.outcome.deliverable) for one in done]
        return {subtask_id: deliverable for subtask_id, deliverable in delivered if deliverable}


def read_board(connection: Connection, execution_id: UUID, since: int) -> BoardFacts:
    """Read what the database knows of the execution's board, all of one moment; ``since`` is the plan's first round."""
    return BoardFacts(
        load_assignments(connection, execution_id),
        load_present_work(connection, execution_id),
        load_gates(connection, execution_id),
        next_request(connection, execution_id) is not None,
        load_earlier_work(connection, execution_id, since) if since > 1 else None,
    )
