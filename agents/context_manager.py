"""What a member is told before it works: the task, what has been decided, said, done and learnt, within a budget."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from langchain_core.embeddings import Embeddings
from langgraph.store.base import BaseStore

from agents import context_lines
from agents.fitting import Counter, Ranked, approximate_tokens, compose
from agents.member_context import ContextKind, MemberContext, Purpose
from agents.memory import LESSONS, LESSONS_LAST, InProcessStore, PastTasks, Recall, SquadMemory, keep_lesson
from agents.message_bus import MessageBus
from agents.store import BackgroundStore, ContextStore, MemoryContextStore, MessageStore
from delegation import InputError, Message, PastTask, Task

__all__ = ["ContextManager"]

_Kind = ContextKind
_USEFUL: dict[Purpose, tuple[ContextKind, ...]] = {
    Purpose.ANALYSIS: (
        _Kind.DECISIONS,
        _Kind.SIMILAR_TASKS,
        _Kind.LESSONS,
        _Kind.FILES,
        _Kind.SQUAD,
        _Kind.CONVERSATION,
    ),
    Purpose.IMPLEMENTATION: (
        _Kind.DECISIONS,
        _Kind.CONVERSATION,
        _Kind.WORK,
        _Kind.FILES,
        _Kind.LESSONS,
        _Kind.SIMILAR_TASKS,
        _Kind.SQUAD,
    ),
    Purpose.REVIEW: (_Kind.WORK, _Kind.DECISIONS, _Kind.CONVERSATION, _Kind.FILES, _Kind.LESSONS, _Kind.SIMILAR_TASKS),
}
"""What is useful for which purpose besides the task itself, the most useful first."""

NOBODY = UUID(int=0)
"""The squad of whoever works without a database."""


class ContextManager:
    """Remembers facts, lessons and past tasks, and builds a member's context; unbound, it keeps them in memory.

    Args:
        embeddings: finds similar past tasks by what they mean as well as by their words; any of LangChain's.
        count_tokens: how many tokens a text has, where a budget is in tokens; about a quarter of its bytes where it is
            left out, so that nothing has to be loaded for it.
    """

    def __init__(self, *, embeddings: Embeddings | None = None, count_tokens: Counter = approximate_tokens) -> None:
        self._facts: ContextStore = MemoryContextStore()
        self._messages: MessageBus | MessageStore | None = None
        self._background: BackgroundStore | None = None
        self._memory: BaseStore = InProcessStore()
        self._recall: Recall | None = None
        self._embeddings, self._count = embeddings, count_tokens

    def bind(
        self,
        store: ContextStore | None = None,
        *,
        messages: MessageBus | MessageStore | None = None,
        background: BackgroundStore | None = None,
        past: PastTasks | None = None,
        memory: BaseStore | None = None,
    ) -> None:
        """Keep and read from these from now on; None leaves one as it is.

        Args:
            store: keeps facts.
            messages: holds conversations.
            background: knows what stands around an execution.
            past: knows the squads' past tasks.
            memory: keeps lessons, and whatever else agents remember.
        """
        self._facts = store or self._facts
        self._messages = messages if messages is not None else self._messages
        self._background = background or self._background
        self._memory = memory if memory is not None else self._memory
        self._recall = Recall(past, self._embeddings) if past is not None else self._recall

    async def remember(self, execution_id: UUID | str, key: str, value: Any) -> None:
        """Keep a fact, in place of an earlier one of that key; the value should be plain JSON."""
        await self._facts.put(_id(execution_id), key, value)

    async def recall(self, execution_id: UUID | str, key: str | None = None) -> Any:
        """Return the fact, or None where it is unknown; without a key, all facts by key."""
        facts = await self._facts.get(_id(execution_id))
        return facts if key is None else facts.get(key)

    def memory(self, squad_id: UUID | str) -> SquadMemory:
        """Return what a squad remembers: one of LangGraph's stores, which holds nothing of any other squad's."""
        return SquadMemory(self._memory, _id(squad_id))

    async def remember_lesson(
        self, execution_id: UUID | str, text: str, *, lasts: timedelta | None = LESSONS_LAST
    ) -> None:
        """Keep what was learnt in an execution, for its squad's later tasks; the same words are kept once.

        Args:
            execution_id: The execution.
            text: What was learnt.
            lasts: How long it is remembered after it was last of use; None is for ever.
        """
        wanted = _id(execution_id)
        await keep_lesson(self.memory(await self._squad_of(wanted)), wanted, text, lasts=lasts)

    async def lessons(self, squad_id: UUID | str, about: str, *, limit: int = 10) -> list[str]:
        """Return a squad's lessons that share words with a text, the most similar first."""
        found = await self.memory(squad_id).asearch((LESSONS,), query=about, limit=limit)
        return [text for one in found if isinstance(text := one.value.get("text"), str)]

    async def similar_tasks(
        self, squad_id: UUID | str, text: str, *, limit: int = 5, without: UUID | str | None = None
    ) -> list[PastTask]:
        """Return a squad's past tasks that are most like a text, best first; ``without`` leaves an execution out."""
        if self._recall is None:
            return []
        left_out = None if without is None else _id(without)
        return await self._recall.similar(_id(squad_id), text, limit=limit, without=left_out)

    async def embed_past_tasks(self, squad_id: UUID | str) -> int:
        """Have all of a squad's past tasks embedded that are not yet; returns how many that were."""
        return await self._recall.embed_all(_id(squad_id)) if self._recall else 0

    async def build_context(
        self,
        execution_id: UUID | str,
        task: Task,
        *,
        member_id: str | None = None,
        budget: int = 8_000,
        max_tokens: int | None = None,
        purpose: Purpose | str = Purpose.IMPLEMENTATION,
        about: str = "",
        with_task: bool = True,
    ) -> MemberContext:
        """Build what a member should read before it works.

        Room is given out by use: the task's title and criteria, then what its purpose makes most useful (decisions
        newest first, what was said to the member by name before what was said to everybody), and the description last
        of all, cut where it does not fit.

        Args:
            execution_id: The execution.
            task: Its task.
            member_id: Whose conversation and work; without one, everything that was said and done in the execution.
            budget: Characters of ``MemberContext.text`` at most; four are about one token.
            max_tokens: Tokens of ``MemberContext.text`` at most, by the manager's counter; ``budget`` is not looked at.
            purpose: analysis, implementation or review.
            about: Further words by which past tasks, lessons and files are chosen, a subtask's for instance.
            with_task: Whether the task itself is part of it; it is not where somebody is handed it anyway.

        Raises:
            InputError: The budget is not positive, the purpose is unknown, or the id is none.
        """
        size, measure = (budget, len) if max_tokens is None else (max_tokens, self._count)
        if size < 1:
            what = "characters" if max_tokens is None else "tokens"
            raise InputError(f"a context needs room, not {size} {what}", hint="give a budget of some thousands")
        kinds = _USEFUL[_purpose(purpose)]
        useful = await self._gather(_id(execution_id), task, kinds, member_id=member_id, about=about)
        return compose(size, measure, useful, task if with_task else None)

    async def build_analysis_context(self, execution_id: UUID | str, task: Task, **options: Any) -> MemberContext:
        """Build what helps to analyse and plan: similar past tasks and lessons before all; see ``build_context``."""
        return await self.build_context(execution_id, task, purpose=Purpose.ANALYSIS, **options)

    async def build_implementation_context(self, execution_id: UUID | str, task: Task, **options: Any) -> MemberContext:
        """Build what helps to work a subtask: decisions, and what was said to the member; see ``build_context``."""
        return await self.build_context(execution_id, task, purpose=Purpose.IMPLEMENTATION, **options)

    async def build_review_context(self, execution_id: UUID | str, task: Task, **options: Any) -> MemberContext:
        """Build what helps to check work: what was done by whom, before all; see ``build_context``."""
        return await self.build_context(execution_id, task, purpose=Purpose.REVIEW, **options)

    async def _gather(
        self, execution_id: UUID, task: Task, kinds: tuple[ContextKind, ...], *, member_id: str | None, about: str
    ) -> Mapping[ContextKind, Ranked]:
        """Return what there is to tell, the most useful kind first."""
        known = await self._background.load(execution_id) if self._background else None
        squad_id = known.squad_id if known else NOBODY
        words = "\n".join([about, task.title, *task.acceptance_criteria, task.description])
        found: dict[ContextKind, Ranked] = {}
        for kind in kinds:
            if kind == _Kind.DECISIONS:
                found[kind] = context_lines.decisions(await self._facts.get(execution_id), known)
            elif kind == _Kind.CONVERSATION:
                found[kind] = context_lines.conversation(await self._said(execution_id, member_id))
            elif kind == _Kind.WORK:
                found[kind] = context_lines.work(known, member_id)
            elif kind == _Kind.FILES:
                found[kind] = context_lines.files(task, about, known)
            elif kind == _Kind.SQUAD:
                found[kind] = context_lines.squad(known)
            elif kind == _Kind.LESSONS:
                found[kind] = context_lines.lessons(await self.lessons(squad_id, words))
            elif kind == _Kind.SIMILAR_TASKS:
                similar = await self.similar_tasks(squad_id, words, without=execution_id)
                found[kind] = context_lines.past_tasks(similar)
        return found

    async def _squad_of(self, execution_id: UUID) -> UUID:
        known = await self._background.load(execution_id) if self._background else None
        return known.squad_id if known else NOBODY

    async def _said(self, execution_id: UUID, member_id: str | None) -> list[Message]:
        if self._messages is None:
            return []
        store = self._messages.store if isinstance(self._messages, MessageBus) else self._messages
        return await store.load(execution_id, member=member_id)


def _purpose(value: Purpose | str) -> Purpose:
    try:
        return Purpose(value)
    except ValueError:
        raise InputError(f"{value!r} is no purpose", hint=f"there are {', '.join(Purpose)}") from None


def _id(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise InputError(f"{value!r} is no execution's id", hint="an id is a UUID or its text") from None
