"""The roles that do the work of a plan and judge nothing: back end, front end, operations, design."""

from agents.rules.base import RuleAgent
from delegation import Role

__all__ = ["DEVELOPER_ROLES", "RuleDeveloper"]

DEVELOPER_ROLES = (Role.BACKEND_DEVELOPER, Role.FRONTEND_DEVELOPER, Role.DEVOPS_ENGINEER, Role.DESIGNER)


class RuleDeveloper(RuleAgent):
    """Writes work orders (or, for a designer, a design brief) from the task's text."""
