"""A chat model that answers by a script and keeps what it was asked: the one fake of these tests."""

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

Said = AIMessage | str | dict[str, Any] | Exception
Script = Callable[[list[BaseMessage], list[str]], Said]


def calls(name: str, arguments: dict[str, Any], *, tokens: tuple[int, int] = (10, 5), call_id: str = "1") -> AIMessage:
    """Return an answer that calls one tool."""
    usage = {"input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": sum(tokens)}
    call = {"name": name, "args": arguments, "id": f"call-{call_id}"}
    return AIMessage("", tool_calls=[call], usage_metadata=usage)


class WritingModel(BaseChatModel):
    """Answers with text alone: no tools can be bound to it."""

    script: Any
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    model_name: str = "scripted"

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("the squad calls its models asynchronously")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(messages)
        names = [one["function"]["name"] for one in kwargs.get("tools", [])]
        said = self.script(messages, names)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, dict):
            said = calls(names[-1], said)
        message = AIMessage(said) if isinstance(said, str) else said.model_copy()
        return ChatResult(generations=[ChatGeneration(message=message)])


class ScriptedModel(WritingModel):
    """Answers with calls of the tools that are bound to it; a dictionary calls the last of these."""

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(one) for one in tools], tool_choice=tool_choice)


def in_turn(*answers: Said) -> Script:
    """Return a script that gives the answers one after another."""
    left = iter(answers)
    return lambda _messages, _tools: next(left)


def text_of(messages: Sequence[BaseMessage]) -> str:
    """Return all that was asked, as one text."""
    return "\n".join(one.text for one in messages)
