"""A scheduling problem in numbers: subtasks and members by position, eligibility as bit masks, lanes of free time.

The passes over a problem run thousands of times in an improvement, so everything that does not change between them is
worked out here once. Members that are alike in role, skills and specialisation share a *profile*; subtasks that ask for
the same share a *demand*. A member works on ``capacity`` *lanes*, each with the windows in which it is free.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from delegation.dependencies import Network, check
from delegation.eligibility import specialities
from delegation.errors import PlanError
from delegation.json_values import listed
from delegation.plan import Subtask
from delegation.squad import STAND_INS, Role, SquadMember
from delegation.windows import ALWAYS, Span, Window, spans_of, windows_of

__all__ = ["Lane", "Problem", "bits", "build"]

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Lane:
    """One of a member's hands: whose it is, and when it is free, the last window being endless."""

    member: int
    profile: int
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What a pass works on; every list is by position of subtask, member or demand.

    ``tiers`` holds for each demand the masks of the profiles that may serve it, most preferred first, and ``able`` all
    of them together; ``strain`` tells how hard a demand is to serve, from 0 to 1. Profiles are numbered from the one
    that is least wanted, so that the lowest bit of a mask is the one to spend first. ``load`` is what each member has
    to do elsewhere, in hours, and ``elsewhere`` when that is. ``running`` is what is at work already: its member, and
    the hours that are left of it.
    """

    net: Network
    members: Sequence[SquadMember]
    effort: list[float]
    demand: list[int]
    excluded: list[frozenset[int]]
    profiles: list[list[int]]
    tiers: list[list[int]]
    able: list[int]
    strain: list[float]
    lanes: list[Lane]
    load: list[float]
    elsewhere: tuple[Span, ...]
    running: dict[int, tuple[int, float]]
    serves: list[list[int]]  # by profile: the demands that it may serve
    waiting: list[int]  # how many direct predecessors each subtask has
    openings: list[tuple[float, int, float]]  # when a window opens, -1 - its lane, when it closes; in that order

    @property
    def has_gaps(self) -> bool:
        """Whether somebody is not there, or not free, from now on without an end."""
        return any(lane.windows != ALWAYS for lane in self.lanes)

    def remaining(self, todo: Sequence[int]) -> list[float]:
        """Return the longest sum of hours from each subtask to the end, counting those of ``todo`` alone."""
        if len(todo) == len(self.effort):
            return self.net.path
        path, after = [0.0] * len(self.effort), self.net.after
        for task in reversed(todo):
            path[task] = self.effort[task] + max((path[one] for one in after[task]), default=0.0)
        return path

    def earliest_finishes(self, todo: Iterable[int]) -> list[float]:
        """Return when each subtask could end if everybody were free: ``todo`` is in topological order."""
        finish = [0.0] * len(self.effort)
        for task, (_, hours) in self.running.items():
            finish[task] = hours
        before, effort = self.net.before, self.effort
        for task in todo:
            earliest = 0.0
            for one in before[task]:
                if (ends := finish[one]) > earliest:
                    earliest = ends
            finish[task] = earliest + effort[task]
        return finish


def build(
    subtasks: Iterable[Subtask],
    members: Iterable[SquadMember],
    busy: Iterable[Span] = (),
    running: Mapping[str, str] = _NONE,
) -> Problem:
    """Check everything and return the problem.

    ``running`` names the subtasks that are at work, with the id of the member, who is there; their effort is what is
    left of it.

    Raises:
        PlanError: see ``dependencies.check``; also a member id that is given twice, and a span that is none.
    """
    net, squad, elsewhere = check(subtasks), listed(members, SquadMember), tuple(listed(busy))
    index: dict[str, int] = {}
    for position, member in enumerate(squad):
        if index.setdefault(member.id, position) != position:
            raise PlanError(f"member id {member.id!r} is given twice", hint="give every member an id of its own")
    at_work = {net.index[one]: (index[who], net.subtasks[net.index[one]].effort) for one, who in running.items()}
    taken = spans_of([*elsewhere, *((squad[who].id, 0.0, hours) for who, hours in at_work.values())], index)
    effort = [subtask.effort for subtask in net.subtasks]
    profiles = _profiles(squad)
    samples, demand = _demands(net.subtasks, with_area=any(member.specialisation for member in squad))
    work = _work(effort, demand, len(samples))
    shares = _shares(squad, profiles, _tiers(samples, squad, profiles), work)
    ranked = sorted(range(len(profiles)), key=lambda number: (shares[number], number))
    profiles, shares = [profiles[number] for number in ranked], [shares[number] for number in ranked]
    tiers = _tiers(samples, squad, profiles)
    able = [sum(masks) for masks in tiers]  # the tiers of a demand have no bit in common
    profile_of = {member: number for number, group in enumerate(profiles) for member in group}
    lanes = [
        Lane(position, profile_of[position], windows)
        for position, member in enumerate(squad)
        for windows in windows_of(member, taken.get(position, ()), len(effort))
    ]
    return Problem(
        net=net,
        members=squad,
        effort=effort,
        demand=demand,
        excluded=[_positions(subtask.excluded, index) for subtask in net.subtasks],
        profiles=profiles,
        tiers=tiers,
        able=able,
        strain=_strain(able, shares),
        lanes=lanes,
        load=[sum(finish - start for start, finish in taken.get(position, ())) for position in range(len(squad))],
        elsewhere=elsewhere,
        running=at_work,
        serves=_served(able, len(profiles)),
        waiting=[len(earlier) for earlier in net.before],
        openings=sorted((start, -1 - number, end) for number, lane in enumerate(lanes) for start, end in lane.windows),
    )


def bits(mask: int) -> Iterator[int]:
    """Yield the positions of the bits that are set, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


_NOBODY: frozenset[int] = frozenset()


def _positions(excluded: Sequence[str], index: dict[str, int]) -> frozenset[int]:
    return frozenset(index[one] for one in excluded if one in index) if excluded else _NOBODY


def _profiles(squad: Sequence[SquadMember]) -> list[list[int]]:
    groups: dict[object, list[int]] = {}
    for position, member in enumerate(squad):
        key = (member.role, frozenset(member.skills.items()), member.specialisation)
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def _demands(subtasks: Sequence[Subtask], *, with_area: bool) -> tuple[list[Subtask], list[int]]:
    """Return one sample of each demand, and each subtask's demand."""
    known: dict[object, int] = {}
    as_written: dict[object, int] = {}  # the same with the skills in their order, which is quicker to look up
    samples: list[Subtask] = []
    demand = []
    for subtask in subtasks:
        area = subtask.area if with_area else None
        written = (subtask.role, area, *subtask.skills.items())
        if (number := as_written.get(written)) is None:
            number = known.setdefault((subtask.role, area, frozenset(subtask.skills.items())), len(samples))
            as_written[written] = number
            if number == len(samples):
                samples.append(subtask)
        demand.append(number)
    return samples, demand


def _work(effort: list[float], demand: list[int], demands: int) -> list[float]:
    work = [0.0] * demands
    for hours, one in zip(effort, demand, strict=True):
        work[one] += hours
    return work


def _tiers(samples: Sequence[Subtask], squad: Sequence[SquadMember], profiles: list[list[int]]) -> list[list[int]]:
    """Return for each demand the masks of the profiles that fit: exact role first, specialists first within a role."""
    kinds = [squad[group[0]] for group in profiles]
    everyone = (1 << len(kinds)) - 1
    holds, special = dict.fromkeys(Role, 0), dict[str, int]()
    for number, kind in enumerate(kinds):
        holds[kind.role] |= 1 << number
        for word in specialities(kind):
            special[word] = special.get(word, 0) | 1 << number
    skilful, tiers = _skilful(samples, kinds), []
    for sample in samples:
        skilled = everyone
        for asked in sample.skills.items():
            skilled &= skilful[asked]
        masks = [skilled]
        if (role := sample.role) is not None:
            masks = [skilled & holds[one] for one in (role, *STAND_INS.get(role, ()))]
        if special:
            wanted = 0
            for word in (*sample.skills, *([sample.area] if sample.area else ())):
                wanted |= special.get(word, 0)
            masks = [part for mask in masks for part in (mask & wanted, mask & ~wanted)]
        tiers.append([mask for mask in masks if mask])
    return tiers


def _skilful(samples: Sequence[Subtask], kinds: Sequence[SquadMember]) -> dict[tuple[str, int], int]:
    """Return for each skill and level that is asked the mask of the profiles that have it."""
    holders: dict[str, list[tuple[int, int]]] = {}
    for number, kind in enumerate(kinds):
        for name, level in kind.skills.items():
            holders.setdefault(name, []).append((level, 1 << number))
    return {
        (name, level): sum([bit for held, bit in holders.get(name, ()) if held >= level])
        for name, level in {asked for sample in samples for asked in sample.skills.items()}
    }


def _shares(
    squad: Sequence[SquadMember], profiles: list[list[int]], tiers: list[list[int]], work: list[float]
) -> list[float]:
    """Return for each profile the hours per lane if all work were shared equally among those who can do it.

    It tells in one number how much a member is wanted: who can do little else is spent first, and who has scarce skills
    stays free for what only they can do.
    """
    lanes = [sum(squad[member].capacity for member in group) for group in profiles]
    shares = [0.0] * len(profiles)
    for masks, hours in zip(tiers, work, strict=True):
        able = list(bits(sum(masks)))
        each = hours / max(sum(lanes[number] for number in able), 1)
        for number in able:
            shares[number] += each
    return shares


def _served(able: list[int], profiles: int) -> list[list[int]]:
    served: list[list[int]] = [[] for _ in range(profiles)]
    for demand, mask in enumerate(able):
        for number in bits(mask):
            served[number].append(demand)
    return served


def _strain(able: list[int], shares: list[float]) -> list[float]:
    """Return how hard each demand is to serve, from 0 to 1: the share of the least wanted profile that can serve it."""
    strain = [min((shares[number] for number in bits(mask)), default=0.0) for mask in able]
    most = max(strain, default=0.0) or 1.0
    return [one / most for one in strain]
