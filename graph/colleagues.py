"""A member that is stuck asks its colleagues: they answer while they work, within a limit, and all of it is kept.

A question has an id that is made of what is asked, so that work which was killed and is done again finds the answers
that were stored, and asks for the others alone.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from agents import Brief, Reply
from agents.memory import keep_lesson
from delegation import InputError, Message, MessageType, Role, SquadMember, Subtask
from delegation.whom import whom_to_ask
from graph.consulting import called, is_cancelled
from graph.hours import away_at
from graph.outside import Outside
from graph.recalling import memory_of
from graph.step import Step
from persistence import DatabaseMessageStore, utc_now

__all__ = ["AskingAround"]

MOST_QUESTIONS = 8
"""How many questions a member may ask while it works once on a subtask."""

LONGEST = 8_000
"""How many characters are kept of a question or an answer."""

logger = logging.getLogger(__name__)


@dataclass
class AskingAround:
    """The rest of the squad, for one member at work on one subtask."""

    step: Step
    outside: Outside
    asker: SquadMember
    subtask: Subtask
    round: int
    turn: int
    makers: Sequence[str]
    """Who made what the subtask builds on."""
    brief_for: Callable[[SquadMember], Brief]
    """What a member that is asked is handed."""
    calls: int = 0
    """How often the member's agent was called for this piece of work."""
    _questions: int = 0
    _same: Counter[str] = field(default_factory=Counter)
    _learnt: dict[str, tuple[str, list[Reply]]] = field(default_factory=dict)

    def begin(self) -> None:
        """Note that the member's agent is called: what it asks again is the same question as before."""
        self.calls += 1
        self._questions = 0
        self._same.clear()

    async def ask(
        self, question: str, *, role: Role | None = None, skills: Mapping[str, int] | None = None
    ) -> list[Reply]:
        """Ask the members that fit best, and return what they answered within the limit; none may have.

        Raises:
            InputError: the question has no words.
        """
        if not isinstance(question, str) or not (text := _plain(question)):
            raise InputError("a question needs words", hint='await colleagues.ask("Which hash do we use?")')
        question_id = self._id(text, role, skills)
        self._questions += 1
        if self._questions > MOST_QUESTIONS:
            logger.info("%s has asked %d questions about %s already", self.asker.id, MOST_QUESTIONS, self.subtask.id)
            return []
        there = [one for one in self.step.facts.squad.members if one.id not in away_at(self.step.facts, utc_now())]
        asked = whom_to_ask(there, self.subtask, self.asker.id, role=role, skills=skills, makers=self.makers)
        known = await self._known(question_id)
        fresh = [one for one in asked if one.id not in known.answers]
        await self._say(self._message(text, question_id, to=one) for one in fresh if one.id not in known.asked)
        new = await asyncio.gather(*(self._answer(one, text, question_id) for one in fresh))
        replies = [Reply(member_id, said) for member_id, said in known.answers.items()] + [one for one in new if one]
        if replies:
            self._learnt[question_id] = (text, replies)
        return replies

    async def remember(self) -> None:
        """Keep what was learnt with the squad, where anything was: the work for which it was asked is done."""
        memory = memory_of(self.outside)
        for question_id, (question, replies) in self._learnt.items():
            answers = [f"{one.member_id}: {one.text}" for one in replies]
            text = "\n".join([question, *answers])
            try:
                await keep_lesson(
                    memory, self.step.execution_id, text, key=question_id, question=question, answers=answers
                )
            except Exception:  # a lesson is worth less than the work that is about to be stored
                logger.exception("what %s learnt about %s could not be kept", self.asker.id, self.subtask.id)

    def _id(self, text: str, role: Role | None, skills: Mapping[str, int] | None) -> str:
        """Return the question's id: the same for the same question, in the same turn, asked for the same time."""
        asked = f"{text}|{role or ''}|{sorted((skills or {}).items())}"
        self._same[asked] += 1
        where = f"{self.step.execution_id}|{self.subtask.id}|{self.asker.id}|{self.round}|{self.turn}"
        return str(uuid5(NAMESPACE_OID, f"{where}|{asked}|{self._same[asked]}"))

    async def _known(self, question_id: str) -> "_Known":
        """Return what is stored of the question already."""
        kinds = [MessageType.QUESTION, MessageType.ANSWER]
        said = await DatabaseMessageStore(self.step.database).load(self.step.execution_id, types=kinds)
        mine = [one for one in said if one.metadata.get("question_id") == question_id]
        asked = {str(one.recipient) for one in mine if one.type is MessageType.QUESTION}
        return _Known(asked, {one.sender: one.content for one in mine if one.type is MessageType.ANSWER})

    async def _answer(self, member: SquadMember, question: str, question_id: str) -> Reply | None:
        """Have one member answer; whatever goes wrong with that is no answer."""
        answering: Any = getattr(self.step.roster.of(member.role), "answer", None)
        if not callable(answering):
            return None
        limit = self.step.settings.model_copy(update={"subtask_timeout_s": self.step.settings.ask_timeout_s})
        try:
            said: Any = await called(limit, self.outside, answering, question, self.brief_for(member))
        except asyncio.CancelledError:
            if is_cancelled():
                raise  # ours: whoever asked is being cancelled
            return None
        except Exception as error:  # noqa: BLE001 - any failure of an agent that is asked is no answer, and no more
            logger.info("%s did not answer %s: %s", member.id, self.asker.id, type(error).__name__)
            return None
        if not isinstance(said, str) or not (text := _plain(said)):
            return None
        await self._say([self._message(text, question_id, by=member)])
        return Reply(member.id, text)

    def _message(
        self, text: str, question_id: str, *, to: SquadMember | None = None, by: SquadMember | None = None
    ) -> Message:
        return Message(
            execution_id=self.step.execution_id,
            sender=(by or self.asker).id,
            recipient=(to or self.asker).id,
            type=MessageType.ANSWER if by else MessageType.QUESTION,
            content=text,
            metadata={"subtask_id": self.subtask.id, "question_id": question_id, "round": self.round},
        )

    async def _say(self, messages: Iterable[Message]) -> None:
        """Store messages at once, and tell of them."""
        if said := list(messages):
            await self.step.say(said)


@dataclass(frozen=True)
class _Known:
    """Who was asked a question before, and what they answered."""

    asked: set[str]
    answers: dict[str, str]


def _plain(text: str) -> str:
    """Return a text as it can be stored, cut to what is kept."""
    return text[:LONGEST].encode("utf-8", "replace").decode().replace("\0", "").strip()
