"""A member at work with tools: LangChain's agent loop, within limits, until it says how it ended."""

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ModelCallLimitMiddleware,
    ToolCallLimitMiddleware,
)
from langchain.agents.middleware.model_call_limit import ModelCallLimitExceededError
from langchain.agents.middleware.tool_call_limit import ToolCallLimitExceededError
from langchain.agents.structured_output import ToolStrategy
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage
from langchain_core.tools import BaseTool
from langgraph.runtime import RunControl, Runtime
from pydantic import ValidationError

from agents.models.forms import WorkResult
from agents.models.limits import Limits
from agents.models.structured import TRIES, misfit, read, said_in, trouble_of, why_unfit
from delegation import AgentFailed

__all__ = ["TokenLimit", "work_with_tools"]
STEPS_A_CALL = 6
"""So many supersteps of LangChain's loop go with one call of the model at most, its limits' own nodes included."""

_NOT_ENDED = "You have not said how your work ended. Go on, or end by calling WorkResult."


async def work_with_tools(
    model: BaseChatModel,
    tools: Sequence[BaseTool],
    system: str,
    about: str,
    form: type[WorkResult],
    limits: Limits,
) -> WorkResult:
    """Let the model use the tools until it fills in the form, and return that.

    Raises:
        AgentFailed: it used up a limit, or what it filled in did not fit, twice mended.
    """
    misfits = _Misfits()
    middleware: list[AgentMiddleware[Any, Any, Any]] = [
        ModelCallLimitMiddleware(run_limit=limits.model_calls, exit_behavior="error"),
        ToolCallLimitMiddleware(run_limit=limits.tool_calls, exit_behavior="error"),
    ]
    if limits.tokens is not None:
        middleware.append(TokenLimit(limits.tokens))
    agent: Any = create_agent(
        model,
        list(tools),
        system_prompt=system,
        response_format=ToolStrategy(form, handle_errors=misfits.note),
        middleware=middleware,
        checkpointer=False,  # the steps of a squad are its own; what an agent says is kept answer by answer
    )
    messages: list[AnyMessage] = [HumanMessage(about)]
    while True:
        state = await _looped(agent, messages, limits)
        if (ended := state.get("structured_response")) is not None:
            assert isinstance(ended, WorkResult)
            return ended
        messages = state["messages"]
        try:  # some write down what they should have called
            return read(messages[-1], form)
        except ValueError as error:
            is_an_end = messages[-1].text.lstrip().startswith("{")
            trouble = misfits.told(error if is_an_end else _Silent(_NOT_ENDED), messages[-1])
        messages = [*messages, HumanMessage(trouble)]


async def _looped(agent: Any, messages: Sequence[AnyMessage], limits: Limits) -> dict[str, Any]:
    """Run the loop once. A drain of the run is not the loop's business: the subtask that has begun is let end."""
    config = {"recursion_limit": STEPS_A_CALL * (limits.model_calls + 2)}
    try:
        state: dict[str, Any] = await agent.ainvoke({"messages": messages}, config, control=RunControl())
    except ModelCallLimitExceededError as error:
        raise AgentFailed(f"the work took more than {limits.model_calls} calls of the model") from error
    except ToolCallLimitExceededError as error:
        raise AgentFailed(f"the work took more than {limits.tool_calls} calls of tools") from error
    return state


class TokenLimit(AgentMiddleware[AgentState[Any], Any, Any]):
    """Ends work that has taken so many tokens, input and output together, before the next call."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    async def abefore_model(self, state: AgentState[Any], runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Add up what the answers so far took, as the provider counts it."""
        taken = [one.usage_metadata for one in state["messages"] if isinstance(one, AIMessage)]
        used = sum(one["input_tokens"] + one["output_tokens"] for one in taken if one)
        if used >= self._most:
            raise AgentFailed(f"the work took {used} tokens, and a subtask may take {self._most}")
        return None


class _Silent(ValueError):
    """The model stopped without saying how its work ended."""


class _Misfits:
    """Counts the ends that did not fit, and says what to mend."""

    def __init__(self) -> None:
        self._count = 0

    def note(self, error: Exception) -> str:
        """Return what to tell the model about what it called; LangChain's error holds that, and pydantic's error."""
        source = getattr(error, "source", error)
        cause = source.__cause__ if isinstance(source.__cause__, ValidationError) else source
        return self.told(cause, getattr(error, "ai_message", None))

    def told(self, error: Exception, answer: BaseMessage | None) -> str:
        """Return what to tell the model about its answer; AgentFailed once it has been told twice."""
        trouble = trouble_of(error)
        self._count += 1
        if self._count >= TRIES:
            what = f"the model did not end its work in a form that fits, in {TRIES} tries"
            raise misfit(what, trouble, said_in(answer) if answer else "")
        if isinstance(error, _Silent):
            return trouble
        return f"{why_unfit(trouble)}\n\nCall WorkResult again, whole and mended."
