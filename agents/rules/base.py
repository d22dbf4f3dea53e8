"""How every rule-based agent works a subtask: it says that it begins, writes the deliverable, says that it is done."""

from agents.role_agent import Brief
from agents.rules.deliverables import deliver
from agents.rules.knowledge import answer_from
from agents.rules.quoting import inline
from delegation import Message, MessageType, Outcome, OutcomeStatus, Role

__all__ = ["RuleAgent"]


class RuleAgent:
    """A role's agent that needs no model.

    The subtask's kind, not the role, decides what is written, so that a stand-in delivers what the role would have.
    """

    def __init__(self, role: Role) -> None:
        self.role = role

    async def work(self, brief: Brief) -> Outcome:
        """Do the subtask: always done, with a deliverable that claims no more than the brief gives."""
        deliverable = deliver(brief)
        count = len(deliverable.criteria)
        note = (
            f"{deliverable.kind.replace('_', ' ')} written, {count} {'criterion' if count == 1 else 'criteria'} covered"
        )
        return Outcome(
            status=OutcomeStatus.DONE,
            note=note,
            deliverable=deliverable,
            messages=[self._says(brief, "started", _start(brief)), self._says(brief, "done", _end(brief, note))],
        )

    async def answer(self, question: str, brief: Brief) -> str | None:
        """Answer a colleague with what requirements, deliverables and people's words say about it; else None."""
        return answer_from(question, brief)

    def _says(self, brief: Brief, progress: str, content: str) -> Message:
        return Message(
            execution_id=brief.execution_id,
            sender=brief.member.id,
            type=MessageType.STATUS_UPDATE,
            content=content,
            metadata={"subtask_id": brief.subtask.id, "progress": progress, "attempt": brief.attempt},
        )


def _start(brief: Brief) -> str:
    again = f" again, with {len(brief.findings)} findings to answer" if brief.findings else ""
    return f"Started {inline(brief.subtask.id, 40)}{again}: {inline(brief.subtask.title, 160)}"


def _end(brief: Brief, note: str) -> str:
    return f"Done with {inline(brief.subtask.id, 40)}: {note}"
