"""Who plays which role: the rule-based agents, models in their place, the user's own where they were given."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.runnables import Runnable

from agents.role_agent import ProjectManager, RoleAgent, TechLead, Tester
from agents.rules import rule_based_agents
from delegation import ConfigurationError, Role

__all__ = ["OwnAgent", "Roster"]

OwnAgent = RoleAgent | Runnable[Any, Any]
"""What may be given for a role: an agent, or a compiled graph or other Runnable, which works and judges nothing."""


class Roster:
    """The agents of a run by role: the rules, those with a model behind them where there are any, and the user's own.

    An own agent needs ``work``, or is a Runnable. The judgements that its role makes are taken from it if it has them
    all, and stay ours if it has none; one that has some of them is refused, since nobody could tell whose word
    counts.
    """

    def __init__(
        self, agents: Mapping[Role, OwnAgent] | None = None, models: Mapping[Role, RoleAgent] | None = None
    ) -> None:
        ours: dict[Role, Any] = rule_based_agents() | dict(models or {})
        own: dict[Role, Any] = {one: _at_work(one, agent) for one, agent in _by_role(agents or {})}
        self._agents: dict[Role, RoleAgent] = ours | own
        self.foreign = sorted(own)
        self.thinking = sorted((models or {}).keys() - own.keys())
        chosen = self._agents
        pm, lead, tester = Role.PROJECT_MANAGER, Role.TECH_LEAD, Role.TESTER
        self.project_manager: ProjectManager = _judge(ProjectManager, chosen[pm], ours[pm])
        self.tech_lead: TechLead = _judge(TechLead, chosen[lead], ours[lead])
        self.tester: Tester = _judge(Tester, chosen[tester], ours[tester])

    def of(self, role: Role) -> RoleAgent:
        """Return the agent that works in the role."""
        return self._agents[role]


def _by_role(agents: Mapping[Any, Any]) -> Iterator[tuple[Role, Any]]:
    for role, agent in agents.items():
        try:
            yield Role(role), agent
        except ValueError:
            raise ConfigurationError(f"{role!r} is no role", hint=f"the roles are {', '.join(Role)}") from None


def _at_work(role: Role, agent: Any) -> Any:
    """Return what works in the role: the agent itself, or one around a Runnable."""
    if callable(getattr(agent, "work", None)):
        return agent
    if isinstance(agent, Runnable):
        from agents.foreign import ForeignAgent  # noqa: PLC0415 - LangGraph, for whoever has such an agent

        return ForeignAgent(role, agent)
    is_uncompiled = callable(getattr(agent, "compile", None))
    raise ConfigurationError(
        f"the agent given for {role.value} is a graph that is not compiled"
        if is_uncompiled
        else f"the agent given for {role.value} has no work() method, and is no graph or other Runnable",
        hint="give what its compile() returns" if is_uncompiled else "see agents.RoleAgent",
    )


def _judge(protocol: type[Any], agent: Any, ours: Any) -> Any:
    judgements = sorted(set(vars(protocol)) - set(vars(RoleAgent)) - {"_abc_impl"})
    names = [name for name in judgements if not name.startswith("_")]
    lacking = [name for name in names if not callable(getattr(agent, name, None))]
    if lacking and len(lacking) < len(names):
        raise ConfigurationError(
            f"the agent given for {ours.role.value} judges by halves: it has no {', '.join(lacking)}",
            hint=f"give it all of {', '.join(names)}, or none of them",
        )
    return ours if lacking else agent
