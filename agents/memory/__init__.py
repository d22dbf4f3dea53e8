"""What a squad remembers beyond one task: its store, its lessons, and its past tasks that are like the one at hand."""

from agents.memory.in_process import InProcessStore
from agents.memory.squad_memory import LESSONS, CurrentMemory, SquadMemory, lessons_of

__all__ = ["LESSONS", "CurrentMemory", "InProcessStore", "SquadMemory", "lessons_of"]
