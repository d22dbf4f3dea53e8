"""What a commit of a member says, and how it is found again: its subtask, round and turn stand in trailers."""

import re
import unicodedata
from dataclasses import dataclass
from hashlib import sha256

from agents.workspace.git import as_text

__all__ = ["Author", "Commit", "Mark", "message_of", "parse_log", "same", "shown", "slug"]

FORMAT = "%H%x00%P%x00%an%x00%B%x00%x01"
"""How ``git log`` is asked for commits; neither character can be in a message."""

_TRAILER = re.compile(r"Squad-(Execution|Subtask|Round|Turn|Member): (.*)")


@dataclass(frozen=True)
class Author:
    """Who made a change: a member of the squad, with an address that is nobody's."""

    member_id: str
    name: str

    @property
    def variables(self) -> dict[str, str]:
        """What git is told of author and committer."""
        name = _plain(self.name).translate(_NO_BRACKETS)
        address = f"{slug(self.member_id)}@squad.invalid"
        return {
            "GIT_AUTHOR_NAME": name if name.strip(_NO_NAME) else "member",
            "GIT_AUTHOR_EMAIL": address,
            "GIT_COMMITTER_NAME": "squad-graph",
            "GIT_COMMITTER_EMAIL": "squad-graph@squad.invalid",
        }


@dataclass(frozen=True)
class Mark:
    """What a change is of. ``turn`` counts the ends of work on the subtask, so no two changes have the same mark."""

    execution: str
    subtask: str
    round: int
    turn: int


@dataclass(frozen=True)
class Commit:
    """A commit on an execution's branch. Without a mark it is none of a member's: somebody else has committed there."""

    id: str
    parents: tuple[str, ...]
    author: str
    subject: str
    mark: Mark | None
    member_id: str | None


def message_of(mark: Mark, title: str, author: Author) -> str:
    """Return the message of a member's commit: the subtask in the first line, and what to find it by."""
    subject = f"{_plain(mark.subtask)}: {_plain(title)}"[:120].rstrip()
    trailers = {
        "Execution": mark.execution,
        "Subtask": _told(mark.subtask),
        "Round": mark.round,
        "Turn": mark.turn,
        "Member": _plain(author.member_id),
    }
    return f"{subject}\n\n" + "".join(f"Squad-{name}: {value}\n" for name, value in trailers.items())


def parse_log(text: str) -> list[Commit]:
    """Read what ``git log`` printed in :data:`FORMAT`."""
    told = as_text(text)  # somebody else's commit may be in any encoding
    return [_commit(*part.strip("\n").split("\0")[:4]) for part in told.split("\1") if part.strip("\n")]


def _commit(commit_id: str, parents: str, author: str, message: str) -> Commit:
    # only the last paragraph counts, and only with every trailer once: a title may quote some
    last = message.rstrip().split("\n\n")[-1].splitlines()
    found = [(match[1], match[2]) for line in last if (match := _TRAILER.fullmatch(line))]
    names = dict(found)
    subject = message.split("\n", 1)[0]
    if len(found) != len(last) or len(names) != len(found) or len(names) != 5:
        return Commit(commit_id, tuple(parents.split()), author, subject, None, None)
    if not (names["Round"].isdecimal() and names["Turn"].isdecimal()):
        return Commit(commit_id, tuple(parents.split()), author, subject, None, None)
    mark = Mark(names["Execution"], names["Subtask"], int(names["Round"]), int(names["Turn"]))
    return Commit(commit_id, tuple(parents.split()), author, subject, mark, names["Member"])


def same(mark: Mark | None, other: Mark) -> bool:
    """Tell whether a mark that was read is the other one, whose subtask's id may hold what no trailer does."""
    return mark is not None and mark == Mark(other.execution, _told(other.subtask), other.round, other.turn)


def _told(subtask: str) -> str:
    """Return a subtask's id as a trailer can hold it; two different ones stay different."""
    plain = _plain(subtask)
    return plain if plain == subtask else f"{plain} ({slug(subtask)})"


def shown(path: str) -> str:
    """Return a path as text that can be stored: a file's name may be any bytes."""
    return path.encode("utf-8", "backslashreplace").decode()


def slug(text: str) -> str:
    """Return a name for files and references, different for each text: readable as far as it goes, then a digest."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", text)[:24].strip("-").lower()
    return f"{readable or 'x'}-{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


_NO_BRACKETS = {ord(char): None for char in "<>"}
_NO_NAME = " .,:;\"\\'"
"""What git takes off a name's ends; it refuses a name that is nothing else."""


def _plain(text: str) -> str:
    """Return a text in one line, without characters that are not to be seen."""
    spaced = "".join(" " if unicodedata.category(char) in {"Cc", "Zl", "Zp", "Zs"} else char for char in text)
    visible = "".join(char for char in spaced if unicodedata.category(char) not in {"Cf", "Cs", "Co", "Cn"})
    return " ".join(visible.split())
