"""What a foreign agent is handed: the brief as messages, as text and as JSON, where its input has a place for it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable
from langgraph.graph.state import CompiledStateGraph

from agents.foreign.brief_text import brief_text
from agents.role_agent import Brief
from delegation import ConfigurationError

__all__ = ["given_to"]

_TEXTS = ("text", "input")
_KNOWN = frozenset({"messages", "brief", *_TEXTS, *Brief.model_fields})


def given_to(runnable: Runnable[Any, Any], who: str) -> Callable[[Brief], Awaitable[Any]]:
    """Return what makes the Runnable's input of a brief.

    An input with named fields gets those of them that are known: ``messages``, ``brief`` as JSON, ``text`` or
    ``input``, and the brief's own fields. One that is a text or messages gets the brief's text as such, and one that
    says nothing about itself gets a mapping with all of it.

    Raises:
        ConfigurationError: it has fields, and none of them is known.
    """
    names = _names(runnable)
    if names is None:
        return _as_one(runnable)
    known = _KNOWN & names
    if names and not known:
        raise ConfigurationError(
            f"{who} takes {', '.join(sorted(names))}, of which a brief can fill none",
            hint=f"give its input one of the fields messages, brief, {', '.join(_TEXTS)}, or a field of agents.Brief",
        )
    return partial(_fields, known or _KNOWN)


async def _fields(names: frozenset[str], brief: Brief) -> dict[str, Any]:
    plain = brief.model_dump(mode="json")
    # what a member should know besides is looked up for the text, and only where that is wanted
    text = await brief_text(brief) if names & {"messages", *_TEXTS} else ""
    everything = {**plain, **dict.fromkeys(_TEXTS, text), "brief": plain, "messages": [HumanMessage(text)]}
    return {name: everything[name] for name in names}


def _names(runnable: Runnable[Any, Any]) -> frozenset[str] | None:
    """Return the names of the input's fields; none at all where it is a mapping of anything, None where it is none."""
    if isinstance(runnable, CompiledStateGraph):
        channels = runnable.builder.schemas[runnable.builder.input_schema]
        return None if "__root__" in channels else frozenset(channels)
    schema = _schema(runnable)
    if "properties" in schema:
        return frozenset(schema["properties"])
    return frozenset() if schema.get("type", "object") == "object" and "anyOf" not in schema else None


def _as_one(runnable: Runnable[Any, Any]) -> Callable[[Brief], Awaitable[Any]]:
    schema = _schema(runnable)
    if "string" in {one.get("type") for one in (schema, *schema.get("anyOf", ()))}:
        return brief_text
    return _messages


async def _messages(brief: Brief) -> list[HumanMessage]:
    return [HumanMessage(await brief_text(brief))]


def _schema(runnable: Runnable[Any, Any]) -> dict[str, Any]:
    try:
        return runnable.get_input_jsonschema()
    except Exception:  # noqa: BLE001 - whatever types it names; it says nothing about itself then
        return {}
