"""The lifecycle as a person would explain it: what each operation does to one execution, and what it refuses.

Nothing here knows how the project does it; the map and the progress are written down once more on purpose.
"""

from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

MAP = {
    "pending": "analyzing failed",
    "analyzing": "planning blocked failed",
    "planning": "delegated blocked failed",
    "delegated": "in_progress blocked failed",
    "in_progress": "reviewing testing completed blocked failed",
    "reviewing": "in_progress testing blocked failed",
    "testing": "in_progress reviewing completed blocked failed",
    "blocked": "analyzing planning delegated in_progress reviewing testing failed",
    "completed": "",
    "failed": "",
}
PROGRESS = dict(zip(MAP, [12, 25, 37, 50, 62, 75, 87], strict=False)) | {"completed": 100, "failed": 0}
ENDS = ("completed", "failed")
TAKES = {
    "blocker": ("respond", "reject"),
    "escalation": ("respond", "approve", "reject"),
    "approval": ("approve", "edit", "reject"),
}
PAST_PLANNING = ("delegated", "in_progress", "reviewing", "testing")


class Refused(Exception):
    """The operation is refused, with the project's error of that name, and changes nothing."""


def may(here: str, there: str) -> bool:
    """Tell whether the map holds the move; a name that is no state makes none."""
    return there in MAP.get(here, "").split()


@dataclass
class Said:
    """An answer to a gate."""

    decision: str
    text: str | None = None
    next_state: str | None = None
    plan: str | None = None
    """How the plan that comes along is: ``good``, or what is wrong with it."""
    by: str | None = None


@dataclass
class Question:
    """A gate; its ``id`` is filled in once the database has been seen to hold it."""

    kind: str
    origin: str
    visit: int
    """The number of the transition by which the execution came to wait for it."""
    next_state: str | None = None
    status: str = "open"
    said: Said | None = None
    id: UUID | None = None
    has_deadline: bool = False
    default: Said | None = None
    """What counts once the deadline has passed; without one the question is late then, and stays open."""
    is_late: bool = False
    plan: dict[str, Any] | None = None
    """For an approval: the plan that it shows."""
    is_used: bool = False
    """Whether its answer was the one that decided where the execution went on."""

    @property
    def gives_up(self) -> bool:
        """Whether its answer ends the execution: a plan that is rejected is made anew, anything else is given up."""
        return self.said is not None and self.said.decision == "reject" and self.kind != "approval"

    @property
    def is_other_plan(self) -> bool:
        """Whether its answer asks for another plan than the one that was shown."""
        return self.said is not None and self.kind == "approval" and self.said.decision in {"reject", "edit"}

    @property
    def is_approved(self) -> bool:
        """Whether its answer lets a plan be worked: the one that was shown, or the one that came with the answer.

        The latter only where it has come to be the plan: somebody may have moved the execution before.
        """
        if self.said is None or self.kind != "approval":
            return False
        return self.said.decision == "approve" or (self.said.decision == "edit" and self.is_used)

    def check(self, said: Said) -> None:
        """Refuse what is no answer to it."""
        wordless = said.decision == "respond" and not (said.text or "").strip()
        if self.status != "open" or said.decision not in TAKES[self.kind] or wordless:
            raise Refused("GateError")
        if (said.decision == "edit") != (said.plan is not None):
            raise Refused("GateError")
        if self.kind == "approval" and said.decision == "reject" and said.next_state in PAST_PLANNING:
            raise Refused("GateError")
        gives_up = said.decision == "reject" and self.kind != "approval"
        if said.next_state and not gives_up and not may("blocked", said.next_state):
            raise Refused("InvalidTransition")
        if said.decision == "edit" and (said.plan != "good" or said.next_state not in {None, "delegated"}):
            raise Refused("GateError")


@dataclass
class Modelled:
    """One execution: the states that it went through, and the questions that it asked, both in their order."""

    path: list[str] = field(default_factory=lambda: ["pending", "analyzing"])
    questions: list[Question] = field(default_factory=list)
    said: list[Question] = field(default_factory=list)
    """The questions of this visit to blocked that were answered, in the order of their answers."""
    approval: str | None = None
    """Who approves plans, as it was chosen last; nobody chose yet where it is None."""
    is_away: bool = False
    """Whether the one member who may drop out has done so."""
    left_by_deadline: int | None = None
    """The number of the transition by which it last left blocked, if it was a deadline's answer that let it go."""

    @property
    def status(self) -> str:
        """Where it stands."""
        return self.path[-1]

    @property
    def seq(self) -> int:
        """How many transitions it has made."""
        return len(self.path) - 1

    @property
    def has_ended(self) -> bool:
        """Whether nothing can move any more."""
        return self.status in ENDS

    @property
    def progress(self) -> int:
        """Blocked keeps the progress of the state that it left."""
        return PROGRESS[self.path[-2] if self.status == "blocked" else self.status]

    @property
    def waiting(self) -> list[Question]:
        """The questions that are open."""
        return [one for one in self.questions if one.status == "open"]

    @property
    def approved(self) -> Question | None:
        """The approval by which its plan may be worked, if a human gave one.

        It is of the plan, not of a state: wherever the execution is moved afterwards, its plan stays approved, until
        planning makes another one. And no move replaces it: one that is moved past the question, by hand or by the
        answer to another one, has a plan that nobody approved.
        """
        planned = max((number for number, state in enumerate(self.path[:-1]) if state == "planning"), default=0)
        given = [one for one in self.questions if one.is_approved and one.visit > planned]
        return given[-1] if given else None

    @property
    def may_work(self) -> bool:
        """Whether the board may be opened."""
        return self.approval != "human" or self.approved is not None

    @property
    def is_left_alone(self) -> bool:
        """Whether it stands where a deadline's answer has let it go, and nobody has driven it on."""
        return self.left_by_deadline == self.seq and not self.has_ended

    def drive(self, approval: str | None = None) -> None:
        """Begin a run, which may choose who approves; otherwise it stays as it is. What has ended keeps everything."""
        self.left_by_deadline = None
        if approval and not self.has_ended:
            self.approval = approval

    def move(self, to_state: str) -> None:
        """Go there; whatever is open when blocked is left, or at the end, has nobody waiting for it."""
        if not may(self.status, to_state):
            raise Refused("InvalidTransition")
        if self.status == "blocked":
            self.left_by_deadline = None
        if self.status == "blocked" or to_state in ENDS:
            for one in self.waiting:
                one.status = "withdrawn"
        self.path.append(to_state)
        self.said = []

    def transition(self, from_state: str, to_state: str) -> None:
        """Move by the engine, which is told where the execution is believed to be."""
        if not may(from_state, to_state):
            raise Refused("InvalidTransition")
        if from_state != self.status:
            raise Refused("StaleTransition")
        if to_state == "blocked":
            self.block("blocker")
        else:
            self.move(to_state)

    def block(self, kind: str, default: Said | None = None, *, has_deadline: bool = False) -> None:
        """Ask a human: one that is blocked already asks one question more, without a move.

        A default that would be no answer is refused at once.
        """
        question = Question(kind, "", 0, has_deadline=has_deadline, default=default)
        if default:
            question.check(default)
        if self.status != "blocked":
            self.move("blocked")
        question.origin, question.visit = self.path[-2], self.seq
        self.questions.append(question)

    def resolve(self, next_state: str) -> None:
        """Close the one open question, or the one blocker among several, and go on there."""
        if not may("blocked", next_state):
            raise Refused("InvalidTransition")
        blockers = [one for one in self.waiting if one.kind == "blocker"]
        meant = self.waiting if len(self.waiting) == 1 else blockers
        if self.status != "blocked" or len(meant) != 1:
            raise Refused("GateError")
        self._take(meant[0], Said("respond", "resolved", next_state))

    def answer(self, gate_id: UUID | None, said: Said) -> None:
        """Answer a question; the last one that was open lets the execution go on."""
        found = [one for one in self.questions if one.id == gate_id]
        if self.status != "blocked" or not found:
            raise Refused("GateError")
        self._take(found[0], said)

    def add_work(self, *, has_plan: bool) -> None:
        """Add to the plan, where there is one and nobody is asked to approve it; checks wait until that is done."""
        if self.has_ended or not has_plan or any(one.kind == "approval" for one in self.waiting):
            raise Refused("PlanError")
        if self.status in {"reviewing", "testing"}:
            self.move("in_progress")
        for one in self.waiting:
            if (one.next_state or one.origin) in {"reviewing", "testing"}:
                one.next_state = "in_progress"

    def drop_out(self) -> None:
        """Have the member drop out; once more is the same."""
        if self.has_ended:
            raise Refused("PlanError")
        self.is_away = True

    def come_back(self) -> None:
        """Have the member take part again."""
        if self.has_ended or not self.is_away:
            raise Refused("PlanError")
        self.is_away = False

    def be_late(self) -> None:
        """Let the deadlines pass: defaults count as answers, the oldest question's first; the rest is late, once."""
        for one in self.waiting:
            if one.has_deadline and not one.is_late:
                one.is_late = True
                if one.default:
                    self._take(one, replace(one.default, by="deadline"))

    def _take(self, question: Question, said: Said) -> None:
        question.check(said)
        question.status, question.said = "answered", said
        self.said.append(question)
        if not self.waiting:
            self.move(self._exit())
            self.left_by_deadline = self.seq if said.by == "deadline" else None

    def _exit(self) -> str:
        """Say where it goes on: one word of those that were said weighs most.

        One that was given up ends. Then another plan is wanted: a rejected one is made anew, an edited one delegated.
        Then whoever named a state is heard, the last of them; then the approval; then the last answer's own way.
        """
        if any(one.gives_up for one in self.said):
            return "failed"
        if others := [one for one in self.said if one.is_other_plan]:
            others[-1].is_used = True
            return others[-1].said.next_state or {"reject": "planning", "edit": "delegated"}[others[-1].said.decision]
        if named := [one.said.next_state for one in self.said if one.said.next_state]:
            return named[-1]
        approvals = [one for one in self.said if one.kind == "approval"]
        last = (approvals or self.said)[-1]
        return last.next_state or last.origin

    def fork(self, seq: int) -> "Modelled":
        """Return an execution that starts where this one stood after that transition.

        What it waited for there is asked again, and its deadline begins anew; what was asked before is closed as it is.
        """
        if not 0 < seq <= self.seq or self.path[seq] in ENDS:
            raise Refused("InputError")
        before = [replace(one, id=None) for one in self.questions if one.visit < seq]
        again = [
            replace(one, id=None, status="open", said=None, is_late=False, is_used=False)
            for one in self.questions
            if one.visit == seq
        ]
        return Modelled(self.path[: seq + 1], before + again, approval=self.approval, is_away=self.is_away)
