"""Agents that know nothing of this project: any compiled graph, or any other Runnable, in the place of a role."""

from agents.foreign.agent import ForeignAgent

__all__ = ["ForeignAgent"]
