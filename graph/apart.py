"""An agent's own graphs kept apart from the run that calls it, though they run inside of one of its nodes.

LangGraph hands a node's configuration on by a context variable. A graph that an agent invokes would take the thread,
the checkpointer, the settings and the drain of ours for its own: its checkpoints would land in our thread, two members
at work would disturb each other's, and an interrupt of its would be ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

__all__ = ["apart"]

RUNTIME = "__pregel_runtime"
"""Where LangGraph hands on, in a configuration, what the graphs beneath a node inherit."""


@contextmanager
def apart(scope: str, memory: BaseStore) -> Iterator[None]:
    """Have whatever is invoked inside inherit our callbacks and tags, and of what runs a graph its store alone.

    That is what the squad at work remembers: a graph or a tool that asks LangGraph for the store gets it, where it was
    compiled without one.

    So what its models say still reaches a client that streams messages with ``subgraphs=True``, and a tracer;
    ``squad_scope`` in the metadata says which subtask or state, and which round, it was said for.
    """
    ours = var_child_runnable_config.get() or {}
    theirs: RunnableConfig = {"metadata": {**ours.get("metadata", {}), "squad_scope": scope}}
    theirs["configurable"] = {RUNTIME: Runtime(store=memory)}
    if "tags" in ours:
        theirs["tags"] = ours["tags"]
    if "callbacks" in ours:
        theirs["callbacks"] = ours["callbacks"]
    token = var_child_runnable_config.set(theirs)
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)
