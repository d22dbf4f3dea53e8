"""What models answer, kept as it comes in: a step that is made again after a crash asks only what was not answered."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from agents import Usage
from delegation import BudgetSpent
from graph.budget import check_budget
from graph.step import Step
from persistence import ModelUsage, keep_answer, load_answers, load_gates, load_usage, settled

__all__ = ["KeptAnswers"]


@dataclass
class KeptAnswers:
    """The journal of what models answer within one step, or one piece of work on a subtask.

    ``spent`` is set once no further call may be made, also where the agent kept the error to itself.
    """

    step: Step
    piece: str
    spent: BudgetSpent | None = None
    _kept: dict[str, dict[str, Any]] | None = None

    async def find(self, key: str) -> dict[str, Any] | None:
        """Return the answer that was kept before this agent was called, or by an earlier try of it."""
        if self._kept is None:
            execution_id, piece = self.step.execution_id, self.piece
            found = await self.step.database.read(lambda connection: load_answers(connection, execution_id, piece))
            if self._kept is None:  # somebody else may have looked meanwhile, and kept something since
                self._kept = found
        return self._kept.get(key)

    async def admit(self) -> None:
        """Let a call pass, or raise BudgetSpent."""
        settings, execution_id = self.step.settings, self.step.execution_id
        if settings.max_tokens is None and settings.max_cost is None:
            return

        def look(connection: Connection) -> None:
            check_budget(settings, load_usage(connection, execution_id), load_gates(connection, execution_id))

        try:
            await self.step.database.read(look)
        except BudgetSpent as spent:
            self.spent = spent
            raise

    async def keep(self, key: str, answer: Mapping[str, Any], usage: Usage) -> None:
        """Store an answer, under the lease; one that has come in is stored though its asker be cancelled meanwhile."""
        step, taken = self.step, ModelUsage(usage.model, 1, usage.input_tokens, usage.output_tokens)

        def store(connection: Connection) -> None:
            keep_answer(connection, step.execution_id, self.piece, key, answer, taken)

        await settled(asyncio.ensure_future(step.write(store)))
        if self._kept is not None:
            self._kept[key] = dict(answer)
