"""The graph that a server loads, LangGraph Studio's or an Agent Server: without a checkpointer, which is theirs.

The database is the one that ``SQUAD_DATABASE_URL`` names when this module is imported, else the one in ``.squad/``.
"""

from graph.build import build_graph

__all__ = ["graph"]

graph = build_graph()
