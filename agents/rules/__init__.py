"""The seven roles without a model: deterministic, quick, and honest about what rules can do."""

from agents.role_agent import RoleAgent
from agents.rules.developer import DEVELOPER_ROLES, RuleDeveloper
from agents.rules.project_manager import RuleProjectManager
from agents.rules.tech_lead import RuleTechLead
from agents.rules.tester import RuleTester
from delegation import Role

__all__ = ["RuleDeveloper", "RuleProjectManager", "RuleTechLead", "RuleTester", "rule_based_agents"]


def rule_based_agents() -> dict[Role, RoleAgent]:
    """Return an agent for every role; those of the project manager, tech lead and tester make judgements as well."""
    agents: dict[Role, RoleAgent] = {
        Role.PROJECT_MANAGER: RuleProjectManager(),
        Role.TECH_LEAD: RuleTechLead(),
        Role.TESTER: RuleTester(),
    }
    return agents | {role: RuleDeveloper(role) for role in DEVELOPER_ROLES}
