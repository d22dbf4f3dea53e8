"""The roles with a chat model behind them. Nothing here is loaded where the rules do."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from agents.models.base import ModelAgent
from agents.models.limits import Limits
from agents.models.project_manager import ModelProjectManager
from agents.models.tech_lead import ModelTechLead
from agents.models.tester import ModelTester
from agents.role_agent import RoleAgent
from delegation import Role

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Limits", "ModelAgent", "ModelProjectManager", "ModelTechLead", "ModelTester", "model_agents"]

_JUDGES: dict[Role, type[ModelAgent]] = {
    Role.PROJECT_MANAGER: ModelProjectManager,
    Role.TECH_LEAD: ModelTechLead,
    Role.TESTER: ModelTester,
}


def model_agents(
    models: Mapping[Role, tuple[str, "BaseChatModel"]], limits: Limits | None = None
) -> dict[Role, RoleAgent]:
    """Return an agent for each role that has a model, with the name that its model is counted under."""
    return {role: _JUDGES.get(role, ModelAgent)(role, model, name, limits) for role, (name, model) in models.items()}
