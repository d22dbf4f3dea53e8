"""A task as the rules read it: its blocks, and the words of what a person wrote, apart from code and logs."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

from delegation.lexicon import Hit, Lexicon, words_of
from delegation.sections import Section
from delegation.task import Task
from delegation.text import Block, BlockKind, plain, split

__all__ = ["LONGEST_DESCRIPTION", "Reading", "reading_of"]

LONGEST_DESCRIPTION = 100_000
"""Characters of a description that are analysed; whatever comes after is said to have been left out."""

_PROSE = frozenset({BlockKind.PARAGRAPH, BlockKind.ITEM, BlockKind.HEADING})
_NOT_CONTENT = frozenset({Section.ENVIRONMENT, Section.KIND, Section.NOTES})


def reading_of(task: Task) -> "Reading":
    """Return the task, read; the last few are kept, since every subtask's work looks at the same text."""
    return _reading(task.title, task.description, tuple(task.acceptance_criteria))


@lru_cache(maxsize=16)
def _reading(title: str, description: str, criteria: tuple[str, ...]) -> "Reading":
    return Reading(Task.model_construct(title=title, description=description, acceptance_criteria=list(criteria)))


@dataclass(frozen=True)
class Reading:
    """One task, read. ``Reading(task)`` costs nothing; each part is worked out when it is asked for first."""

    task: Task

    @property
    def cut(self) -> bool:
        """Whether the text was too long to be read whole."""
        return len(self.task.description) > LONGEST_DESCRIPTION or sum(map(len, self.criteria)) > LONGEST_DESCRIPTION

    @cached_property
    def title(self) -> str:
        """The title's words, as far as a title is read."""
        return plain(self.task.title[:LONGEST_DESCRIPTION])

    @property
    def criteria(self) -> list[str]:
        """The criteria that the task states."""
        return self.task.acceptance_criteria

    @cached_property
    def blocks(self) -> list[Block]:
        """The description's blocks."""
        return split(self.task.description[:LONGEST_DESCRIPTION])

    @cached_property
    def prose(self) -> list[Block]:
        """The blocks in which a person speaks: no code, traces, tables, templates' questions or unticked boxes."""
        return [
            block
            for block in self.blocks
            if block.kind in _PROSE and block.section not in _NOT_CONTENT and block.checked is not False
        ]

    @cached_property
    def title_words(self) -> list[str]:
        """The title as words."""
        return words_of(self.title)

    @cached_property
    def body_words(self) -> list[str]:
        """The prose and the stated criteria as words."""
        stated = "\n".join(self.criteria)[:LONGEST_DESCRIPTION]
        return words_of("\n".join([*(plain(block.text) for block in self.prose), plain(stated)]))

    def find(self, lexicon: Lexicon, *, title_factor: float = 2.0) -> dict[str, list[Hit]]:
        """Return each finding with the phrases that speak for it, those of the title weighing more."""
        found: dict[str, dict[str, Hit]] = {}
        for words, factor in ((self.title_words, title_factor), (self.body_words, 1.0)):
            for hit in lexicon.find(words):
                weighed = Hit(hit.finding, hit.phrase, hit.weight * factor)
                found.setdefault(hit.finding, {}).setdefault(hit.phrase, weighed)
        return {finding: list(hits.values()) for finding, hits in found.items()}

    def has(self, kind: BlockKind) -> bool:
        """Say whether the description holds a block of that kind."""
        return any(block.kind is kind for block in self.blocks)

    def under(self, *sections: Section) -> list[Block]:
        """Return the blocks under headings that announce one of these sections."""
        return [block for block in self.blocks if block.section in sections]
