"""What a squad remembers beyond one task: its store, its lessons, and its past tasks that are like the one at hand."""

from agents.memory.in_process import InProcessStore
from agents.memory.recall import PastTasks, Recall, fused
from agents.memory.squad_memory import LESSONS, SquadMemory, lessons_of

__all__ = ["LESSONS", "InProcessStore", "PastTasks", "Recall", "SquadMemory", "fused", "lessons_of"]
