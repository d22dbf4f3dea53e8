"""Effects outside of the database, in the step protocol: the intent first, the end afterwards, and no blind retry."""

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import Connection

from agents.effects import Effect
from delegation import EffectInDoubt, GateKind, InputError, NewGate
from graph.step import Step
from persistence import Intent, begin_intent, end_intent, guard, note_failed_intent

__all__ = ["Outside", "doubt_gate", "scope_of"]


def scope_of(what: str, round_: int) -> str:
    """Return what an effect's name is unique within: a state or a subtask, in one round."""
    return f"{what}#{round_}"


@dataclass
class Outside:
    """The journal of the effects of one step, for whichever agent runs in it.

    ``doubt`` is what it came upon, also where the agent did not let the error pass.
    """

    step: Step
    scope: str
    doubt: EffectInDoubt | None = None

    async def effect(self, name: str, call: Effect) -> Any:
        """Have an effect once; see :func:`agents.effect`."""
        if not isinstance(name, str) or not name.strip():
            raise InputError("an effect needs a name", hint='await effect("push the branch", push)')
        execution_id, where = self.step.execution_id, (self.step.execution_id, self.scope, name)

        def begin(connection: Connection) -> Intent:
            # nobody may begin anything outside whose lease is lost
            guard(connection, execution_id, self.step.node, self.step.drive.epoch)
            return begin_intent(connection, *where)

        intent = await self.step.database.write(begin)
        if intent.stands == "done":
            return intent.result
        if intent.stands == "in doubt":
            self.doubt = EffectInDoubt(name, intent.error)
            raise self.doubt
        try:
            result = to_jsonable_python(await call(), fallback=str)
        except asyncio.CancelledError:
            self.doubt = EffectInDoubt(name, "it was cancelled")
            raise
        except Exception as error:
            told = f"{type(error).__name__}: {error}"[:1000]
            await self.step.database.write(lambda connection: note_failed_intent(connection, *where, told))
            self.doubt = EffectInDoubt(name, told)
            raise self.doubt from error
        await self.step.database.write(lambda connection: end_intent(connection, *where, result))
        return result


def doubt_gate(scope: str, doubt: EffectInDoubt, *, next_state: str, subtask_id: str | None = None) -> NewGate:
    """Return the question about an effect that may have happened or not."""
    about = f"{subtask_id}: " if subtask_id else ""
    raised = f" It raised: {doubt.error}" if doubt.error else ""
    return NewGate(
        kind=GateKind.ESCALATION,
        question=f"{about}{doubt.name!r} was begun, and nothing says whether it happened. Did it?",
        reason="an effect outside is in doubt",
        details=f"Please look.{raised}\nRespond with what came of it, if it happened; approve that it is done once "
        "more, if it did not; reject to give the task up.",
        metadata={"effect": doubt.name, "scope": scope},
        subtask_id=subtask_id,
        next_state=next_state,
    )
