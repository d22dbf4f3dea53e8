"""Effects outside of the database, in the step protocol: the intent first, the end afterwards, and no blind retry."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from agents.surroundings import Effect
from delegation import EffectInDoubt, InputError
from graph.masking import masked
from graph.step import Step
from persistence import begin_intent, end_intent, note_failed_intent, settled

__all__ = ["Outside", "carried_on", "piece_of", "scope_of"]


def scope_of(what: str, round_: int) -> str:
    """Return what an effect's name is unique within: a state or a subtask, in one round."""
    return f"{what}#{round_}"


def piece_of(step: Step) -> str:
    """Return what a step's own work is known by: a state at one place of the log.

    A step that has been committed is over, and nothing that was kept for it is given again: whoever sends an execution
    back to a state wants it to be thought over.
    """
    return f"{step.node.value}@{step.state['seq']}"


def carried_on(step: Step) -> tuple[str, str]:
    """Return the step, and the one that goes on with its work where it stops for a human's answer: two moves later."""
    return piece_of(step), f"{step.node.value}@{step.state['seq'] + 2}"


@dataclass
class Outside:
    """The journal of the effects of one step, for whichever agent runs in it.

    ``doubts`` are those that were begun and whose end is not stored, by name: also where the agent, a time limit or the
    database kept the error from being raised as such.
    """

    step: Step
    scope: str
    piece: str = ""
    """What is kept of the agent's work while it works, such as its models' answers, is kept for; see `piece_of`."""
    doubts: dict[str, EffectInDoubt] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.piece = self.piece or piece_of(self.step)

    @property
    def doubt(self) -> EffectInDoubt | None:
        """The first effect that is in doubt, if any is."""
        return next(iter(self.doubts.values()), None)

    async def effect(self, name: str, call: Effect) -> Any:
        """Have an effect once; see :func:`agents.effect`."""
        if not isinstance(name, str) or not name.strip():
            raise InputError("an effect needs a name", hint='await effect("push the branch", push)')
        where = (self.step.execution_id, self.scope, name)
        # nobody may begin anything outside whose lease is lost
        intent = await self.step.write(lambda connection: begin_intent(connection, *where))
        if intent.stands == "done":
            return intent.result
        self.doubts[name] = EffectInDoubt(name, intent.error or "it was interrupted")
        if intent.stands == "in doubt":
            raise self.doubts[name]
        try:
            result = to_jsonable_python(await call(), fallback=str)
        except Exception as error:
            told = f"{type(error).__name__}: {masked(str(error))}"[:1000]
            self.doubts[name] = EffectInDoubt(name, told)
            await self.step.database.write(lambda connection: note_failed_intent(connection, *where, told))
            raise self.doubts[name] from error
        await self._end(where, result)
        return result

    async def _end(self, where: tuple[UUID, str, str], result: Any) -> None:
        """Store that the effect has happened, also where whoever waits for it is cancelled meanwhile."""
        write = self.step.database.write
        ending = asyncio.ensure_future(write(lambda connection: end_intent(connection, *where, result)))
        try:
            await settled(ending)
        finally:
            if not ending.cancelled() and ending.exception() is None:
                del self.doubts[where[-1]]
