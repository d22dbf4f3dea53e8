"""Who plays which role: the rule-based agents, with the user's own in the places that they were given for."""

from collections.abc import Mapping
from typing import Any

from agents.role_agent import ProjectManager, RoleAgent, TechLead, Tester
from agents.rules import rule_based_agents
from delegation import ConfigurationError, Role

__all__ = ["Roster"]


class Roster:
    """The agents of a run by role.

    An own agent needs ``work``. The judgements that its role makes are taken from it if it has them all, and stay
    rule-based if it has none; one that has some of them is refused, since nobody could tell whose word counts.
    """

    def __init__(self, agents: Mapping[Role, RoleAgent] | None = None) -> None:
        rules: dict[Role, Any] = dict(rule_based_agents())
        own: dict[Role, Any] = {self._role(role): agent for role, agent in (agents or {}).items()}
        for role, agent in own.items():
            if not callable(getattr(agent, "work", None)):
                raise ConfigurationError(
                    f"the agent given for {role.value} has no work() method", hint="see agents.RoleAgent"
                )
        self._agents: dict[Role, RoleAgent] = rules | own
        self.foreign = sorted(own)
        chosen = self._agents
        pm, lead, tester = Role.PROJECT_MANAGER, Role.TECH_LEAD, Role.TESTER
        self.project_manager: ProjectManager = _judge(ProjectManager, chosen[pm], rules[pm])
        self.tech_lead: TechLead = _judge(TechLead, chosen[lead], rules[lead])
        self.tester: Tester = _judge(Tester, chosen[tester], rules[tester])

    def of(self, role: Role) -> RoleAgent:
        """Return the agent that works in the role."""
        return self._agents[role]

    @staticmethod
    def _role(role: Any) -> Role:
        try:
            return Role(role)
        except ValueError:
            raise ConfigurationError(f"{role!r} is no role", hint=f"the roles are {', '.join(Role)}") from None


def _judge(protocol: type[Any], agent: Any, rules: Any) -> Any:
    judgements = sorted(set(vars(protocol)) - set(vars(RoleAgent)) - {"_abc_impl"})
    names = [name for name in judgements if not name.startswith("_")]
    lacking = [name for name in names if not callable(getattr(agent, name, None))]
    if lacking and len(lacking) < len(names):
        raise ConfigurationError(
            f"the agent given for {rules.role.value} judges by halves: it has no {', '.join(lacking)}",
            hint=f"give it all of {', '.join(names)}, or none of them",
        )
    return rules if lacking else agent
