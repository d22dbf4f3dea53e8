"""What a squad remembers beyond one task: its store, its lessons, and its past tasks that are like the one at hand."""

from agents.memory.in_process import InProcessStore
from agents.memory.recall import PastTasks, Recall, fused
from agents.memory.squad_memory import LESSONS, LESSONS_LAST, SquadMemory, keep_lesson, lessons_of

__all__ = [
    "LESSONS",
    "LESSONS_LAST",
    "InProcessStore",
    "PastTasks",
    "Recall",
    "SquadMemory",
    "fused",
    "keep_lesson",
    "lessons_of",
]
