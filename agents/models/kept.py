"""A model's answers kept as they come: LangChain asks this cache before each call and tells it each answer.

It stands where every call of a model passes, those of LangChain's agents and its streaming included, and where the
answers that were kept are streamed as well. It is no cache across steps: the journal behind it is of one step, in
which each question is asked as often as the agent asks it.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

from langchain_core.caches import RETURN_VAL_TYPE, BaseCache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, message_to_dict, messages_from_dict
from langchain_core.outputs import ChatGeneration, Generation
from pydantic_core import to_jsonable_python

from agents.surroundings import AnswerJournal, Usage

__all__ = ["KeptAnswers", "keeping", "usage_of"]

_ADDRESS = re.compile(r" at 0x[0-9a-f]+", re.IGNORECASE)
_CHARACTERS_A_TOKEN = 4

_key: ContextVar[str] = ContextVar("squad_answer_key")
"""What the question that is being asked is kept under: each call of a model runs in a context of its own."""


def keeping(model: BaseChatModel, journal: AnswerJournal | None, name: str) -> BaseChatModel:
    """Return the model, or one like it whose answers go through the journal; the caller's own is left alone."""
    return model if journal is None else model.model_copy(update={"cache": KeptAnswers(journal, name)})


class KeptAnswers(BaseCache):
    """The answers of one piece of work, replayed as far as they were kept."""

    def __init__(self, journal: AnswerJournal, name: str) -> None:
        self._journal, self._name = journal, name
        self._asked: Counter[str] = Counter()

    async def alookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Return the answer that was kept; where there is none, let the call pass or raise BudgetSpent."""
        question = sha256(json.dumps([_comparable(prompt), _ADDRESS.sub("", llm_string)]).encode()).hexdigest()
        self._asked[question] += 1
        key = f"{question[:40]}:{self._asked[question]}"
        _key.set(key)
        if (found := await self._journal.find(key)) is not None:
            [message] = messages_from_dict([found])
            return [ChatGeneration(message=message)]
        await self._journal.admit()
        return None

    async def aupdate(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Keep the answer, and what it took."""
        message = _message_of(return_val)
        answer = to_jsonable_python(message_to_dict(message), fallback=str)
        # what a server said besides the answer is nobody's business here, and may hold what identifies an account
        answer["data"].get("response_metadata", {}).pop("headers", None)
        await self._journal.keep(_key.get(), answer, usage_of(message, prompt, self._name))

    def lookup(self, prompt: str, llm_string: str) -> RETURN_VAL_TYPE | None:
        """Refuse: only asynchronous calls are kept."""
        raise NotImplementedError("a squad's model is called asynchronously")

    def update(self, prompt: str, llm_string: str, return_val: RETURN_VAL_TYPE) -> None:
        """Refuse as well."""
        raise NotImplementedError("a squad's model is called asynchronously")

    def clear(self, **kwargs: Any) -> None:
        """Forget how often what was asked; what was kept stays."""
        self._asked.clear()


def usage_of(message: BaseMessage, prompt: str, name: str) -> Usage:
    """Return what an answer took: as the provider counts it, else estimated, so that a budget holds with any model."""
    told = message.usage_metadata if isinstance(message, AIMessage) else None
    if told:
        return Usage(name, told.get("input_tokens") or 0, told.get("output_tokens") or 0)
    said = len(message.text) + sum(len(str(call)) for call in getattr(message, "tool_calls", ()))
    return Usage(name, -(-len(prompt) // _CHARACTERS_A_TOKEN), -(-said // _CHARACTERS_A_TOKEN))


def _message_of(generations: Sequence[Generation]) -> BaseMessage:
    first = generations[0]
    return first.message if isinstance(first, ChatGeneration) else AIMessage(first.text)


def _comparable(prompt: str) -> list[dict[str, Any]]:
    """Return the messages as far as they make the question.

    What tools gave back is left out: a test run never prints the same twice. On a replay the tools are used once more,
    in a working copy that begins where it began before, and the model's next answer follows from what it said, not
    from how long a test took.
    """
    told = []
    for one in json.loads(prompt):
        kind, fields = one["id"][-1], one["kwargs"]
        names = ("content", "tool_calls", "invalid_tool_calls", "name")
        kept = {name: fields[name] for name in names if fields.get(name)}
        if kind == "ToolMessage":
            kept = {"tool_call_id": fields.get("tool_call_id")}
        told.append({"type": kind} | kept)
    return told
