"""Role agents: what a role is asked, how the rule-based ones answer, and what members say to one another."""

from agents.context_manager import ContextManager, MemberContext
from agents.effects import EffectJournal, effect, journalled
from agents.message_bus import MessageBus
from agents.role_agent import Brief, ProjectManager, RoleAgent, TechLead, Tester
from agents.roster import Roster
from agents.rules import rule_based_agents
from agents.store import ContextStore, MemoryContextStore, MemoryMessageStore, MessageStore

__all__ = [
    "Brief",
    "ContextManager",
    "ContextStore",
    "EffectJournal",
    "MemberContext",
    "MemoryContextStore",
    "MemoryMessageStore",
    "MessageBus",
    "MessageStore",
    "ProjectManager",
    "RoleAgent",
    "Roster",
    "TechLead",
    "Tester",
    "effect",
    "journalled",
    "rule_based_agents",
]
