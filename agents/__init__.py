"""Role agents: what a role is asked, how the rule-based ones answer, and what members say to one another."""

from agents.context_manager import ContextManager
from agents.effects import effect
from agents.member_context import ContextKind, ContextPart, MemberContext, Purpose
from agents.message_bus import MessageBus
from agents.role_agent import Answering, Brief, ProjectManager, RoleAgent, TechLead, Tester, Unfinished
from agents.roster import OwnAgent, Roster
from agents.rules import rule_based_agents
from agents.store import ContextStore, MemoryContextStore, MemoryMessageStore, MessageStore
from agents.surroundings import (
    AnswerJournal,
    Colleagues,
    EffectJournal,
    Hands,
    Recollection,
    Reply,
    Surroundings,
    Usage,
    surrounded,
    surroundings,
)

__all__ = [
    "AnswerJournal",
    "Answering",
    "Brief",
    "Colleagues",
    "ContextKind",
    "ContextManager",
    "ContextPart",
    "ContextStore",
    "EffectJournal",
    "Hands",
    "MemberContext",
    "MemoryContextStore",
    "MemoryMessageStore",
    "MessageBus",
    "MessageStore",
    "OwnAgent",
    "ProjectManager",
    "Purpose",
    "Recollection",
    "Reply",
    "RoleAgent",
    "Roster",
    "Surroundings",
    "TechLead",
    "Tester",
    "Unfinished",
    "Usage",
    "effect",
    "rule_based_agents",
    "surrounded",
    "surroundings",
]
