"""The definition that an execution runs under, in short: what the graph is made of, and whose agents play which role.

An execution keeps the fingerprint of the graph that first drove it. Another graph may take other ways, ask for other
approvals, or read a stored plan differently, so going on under one is refused, unless a migration of a name vouches
for it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from langgraph.graph.state import CompiledStateGraph

from delegation import DefinitionChanged, Role
from graph.state import channel_schemas

__all__ = ["BUILT_IN", "Fingerprint", "Migration", "differences", "fingerprint_of", "vouching"]

Fingerprint = dict[str, Any]
"""``nodes``: digest of each node's edges, by name; ``schemas``: digest of each channel's; ``roles``: own agents'."""


@dataclass(frozen=True)
class Migration:
    """A named way from one definition to another.

    Args:
        name: what the audit log calls it.
        accepts: whether an execution of the first fingerprint may go on under the second.
    """

    name: str
    accepts: Callable[[Fingerprint, Fingerprint], bool]


def _same_but_roles(stored: Fingerprint, present: Fingerprint) -> bool:
    return {**stored, "roles": None} == {**present, "roles": None}


BUILT_IN = {
    "roles": Migration("roles", _same_but_roles),
    "graph": Migration("graph", lambda stored, present: stored["roles"] == present["roles"]),
}
"""Those that the command line knows: other agents under the same graph, and another graph with the same agents."""


def fingerprint_of(graph: CompiledStateGraph[Any, Any, Any, Any], roles: Iterable[Role]) -> Fingerprint:
    """Return the fingerprint of a compiled graph in which the user's own agents play ``roles``."""
    return {"nodes": _nodes(graph), "schemas": _schemas(), "roles": sorted(role.value for role in roles)}


def differences(stored: Fingerprint, present: Fingerprint) -> list[str]:
    """Return what differs, a phrase each; none means that the definitions are the same."""
    found = []
    for part, what in (("nodes", "node"), ("schemas", "channel")):
        before, now = stored.get(part, {}), present[part]
        found += [f"the {what} {name!r} is gone" for name in sorted(before.keys() - now.keys())]
        found += [f"the {what} {name!r} is new" for name in sorted(now.keys() - before.keys())]
        changed = sorted(name for name in before.keys() & now.keys() if before[name] != now[name])
        found += [f"the {what} {name!r} has other {'edges' if what == 'node' else 'fields'}" for name in changed]
    before, now = set(stored.get("roles", ())), set(present["roles"])
    found += [f"it had an agent of its own for {role}, which is missing" for role in sorted(before - now)]
    found += [f"an agent of its own for {role} is new" for role in sorted(now - before)]
    return found


def vouching(
    execution_id: object, stored: Fingerprint, present: Fingerprint, migrations: Sequence[Migration]
) -> Migration | None:
    """Return the migration that lets the execution go on under another definition; None where none is needed.

    Raises:
        DefinitionChanged: there is none; the error says what differs.
    """
    changed = differences(stored, present)
    if not changed:
        return None
    for migration in migrations:
        if migration.accepts(stored, present):
            return migration
    names = " or ".join(name for name, one in BUILT_IN.items() if one.accepts(stored, present))
    hint = "give the agents (--agents MODULE:NAME) and the version that it began with"
    raise DefinitionChanged(
        f"execution {execution_id} began under another definition: {'; '.join(changed)}",
        hint=f"{hint}, or go on with --migrate {names}" if names else hint,
    )


def _nodes(graph: CompiledStateGraph[Any, Any, Any, Any]) -> dict[str, str]:
    found = {}
    inner = dict(graph.get_subgraphs())
    for name in graph.builder.nodes:
        targets = {end for start, end in graph.builder.edges if start == name}
        for branch in graph.builder.branches.get(name, {}).values():
            targets |= set((branch.ends or {}).values())
        found[name] = _digest(*sorted(targets))
        if name in inner:
            found |= {f"{name}/{key}": value for key, value in _nodes(inner[name]).items()}  # type: ignore[arg-type]
    return found


@cache
def _schemas() -> dict[str, str]:
    return {name: _digest(schema) for name, schema in channel_schemas().items()}


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:12]
