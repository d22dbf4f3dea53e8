"""The lifecycle as a person would explain it: what each operation does to one execution, and what it refuses.

Nothing here knows how the project does it; the map and the progress are written down once more on purpose.
"""

from dataclasses import dataclass, field
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
TAKES = {"blocker": ("respond", "reject"), "escalation": ("respond", "approve", "reject")}


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


@dataclass
class Question:
    """A gate; its ``id`` is filled in once the database has been seen to hold it."""

    kind: str
    origin: str
    visit: int
    next_state: str | None = None
    status: str = "open"
    said: Said | None = None
    id: UUID | None = None


@dataclass
class Modelled:
    """One execution: the states that it went through, and the questions that it asked, both in their order."""

    path: list[str] = field(default_factory=lambda: ["pending", "analyzing"])
    questions: list[Question] = field(default_factory=list)
    said: list[Question] = field(default_factory=list)
    """The questions of this visit to blocked that were answered, in the order of their answers."""

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

    def move(self, to_state: str) -> None:
        """Go there; whatever is open when blocked is left, or at the end, has nobody waiting for it."""
        if not may(self.status, to_state):
            raise Refused("InvalidTransition")
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

    def block(self, kind: str) -> None:
        """Ask a human: one that is blocked already asks one question more, without a move."""
        if self.status != "blocked":
            self.move("blocked")
        self.questions.append(Question(kind, self.path[-2], self.seq))

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
        if self.status != "blocked" or not found or found[0].status != "open":
            raise Refused("GateError")
        question = found[0]
        if said.decision not in TAKES[question.kind] or (said.decision == "respond" and not (said.text or "").strip()):
            raise Refused("GateError")
        if said.decision != "reject" and said.next_state and not may("blocked", said.next_state):
            raise Refused("InvalidTransition")
        self._take(question, said)

    def _take(self, question: Question, said: Said) -> None:
        question.status, question.said = "answered", said
        self.said.append(question)
        if not self.waiting:
            self.move(self._exit())

    def _exit(self) -> str:
        """One that was given up ends; else the last that named a state, else the last one's own way."""
        if any(one.said and one.said.decision == "reject" for one in self.said):
            return "failed"
        named = [one.said.next_state for one in self.said if one.said and one.said.next_state]
        last = self.said[-1]
        return named[-1] if named else last.next_state or last.origin

    def fork(self, seq: int) -> "Modelled":
        """Return an execution that starts where this one stood after that transition."""
        if not 0 < seq <= self.seq or self.path[seq] in ENDS:
            raise Refused("InputError")
        again = [
            Question(one.kind, one.origin, seq, one.next_state)
            for one in self.questions
            if one.visit == seq and self.path[seq] == "blocked"
        ]
        return Modelled(self.path[: seq + 1], again)
