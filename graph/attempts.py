"""What was tried before a human is asked about a subtask, read from what is stored: questions, calls, rounds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from delegation import Message, MessageType
from graph.board_facts import BoardFacts
from graph.step import Step
from persistence import DatabaseMessageStore, load_logs

__all__ = ["RETRIED", "Attempts"]

RETRIED = "retried"
"""The audit log's event for an agent that was called more than once for one piece of work."""

_MOST = 20
_LONGEST = 300


@dataclass(frozen=True)
class Attempts:
    """What an execution's messages, audit log and outcomes tell of what was tried."""

    said: Sequence[Message]
    logs: Sequence[Row[Any]]
    facts: BoardFacts
    since: int

    @classmethod
    async def read(cls, step: Step, facts: BoardFacts) -> "Attempts":
        """Read what is stored; ``facts`` are the board's, and the plan is the step's present one."""
        kinds = [MessageType.QUESTION, MessageType.ANSWER]
        said = await DatabaseMessageStore(step.database).load(step.execution_id, types=kinds)
        logs = await step.database.read(lambda connection: load_logs(connection, step.execution_id))
        return cls(said, [one for one in logs if one.event == RETRIED], facts, step.since)

    def at(self, subtask_id: str) -> list[str]:
        """Return what was tried to get on with a subtask of the present plan, a sentence each."""
        return [*self._asked(subtask_id), *self._called_again(subtask_id), *self._before(subtask_id)][:_MOST]

    def _asked(self, subtask_id: str) -> Iterator[str]:
        """Yield which colleagues were asked what, and what came back."""
        mine = [
            one
            for one in self.said
            if one.metadata.get("subtask_id") == subtask_id
            and one.metadata.get("question_id")
            and one.metadata.get("round", 0) >= self.since
        ]
        answers = {(one.metadata["question_id"], one.sender): one for one in mine if one.type is MessageType.ANSWER}
        for one in mine:
            if one.type is MessageType.QUESTION:
                answer = answers.get((one.metadata["question_id"], str(one.recipient)))
                came = f"who answered: {_cut(answer.content)}" if answer else "who had no answer"
                yield f"{one.sender} asked {one.recipient} “{_cut(one.content)}”, {came}"

    def _called_again(self, subtask_id: str) -> Iterator[str]:
        for one in self.logs:
            if one.data.get("subtask_id") == subtask_id and one.data.get("round", 0) >= self.since:
                yield one.text

    def _before(self, subtask_id: str) -> Iterator[str]:
        """Yield how often it was worked, and what humans have answered so far."""
        refused = len(self.facts.refused(subtask_id, self.since))
        if (times := self.facts.attempts(subtask_id) - refused) > 1:
            yield f"it was worked {times} times"
        for question, answer in self.facts.answers(subtask_id):
            yield f"a human had answered “{_cut(question)}”: {_cut(answer)}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
