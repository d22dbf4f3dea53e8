"""An independent checker of schedules, and strategies for problems: it shares no code with what it checks."""

from hypothesis import strategies as st

from delegation import Role, SquadMember, Subtask

STANDS_IN = {
    "project_manager": {"tech_lead"},
    "tech_lead": {"backend_developer"},
    "backend_developer": {"tech_lead"},
    "frontend_developer": {"tech_lead"},
    "tester": {"tech_lead"},
    "devops_engineer": {"tech_lead", "backend_developer"},
    "designer": {"frontend_developer"},
}


def may(member, subtask):
    role = subtask.role is None or member.role == subtask.role or member.role.value in STANDS_IN[subtask.role.value]
    skilled = all(member.skills.get(name, -1) >= level for name, level in subtask.skills.items())
    return role and skilled and member.id not in subtask.excluded


def check_plan(plan, subtasks, members, busy=(), running=None):
    """Fail on anything that a schedule must not do; ``running``: what is at work, id to member id and hours left."""
    running = running or {}
    by_id, squad = {one.id: one for one in subtasks}, {one.id: one for one in members}
    at = {one.subtask_id: one for one in plan.assignments}
    lost = {one.subtask_id for one in plan.unassigned}
    assert len(at) == len(plan.assignments)
    assert len(lost) == len(plan.unassigned)
    assert at.keys() | lost == by_id.keys()
    assert not at.keys() & lost
    for one in plan.assignments:
        subtask, member = by_id[one.subtask_id], squad[one.member_id]
        if one.subtask_id in running:
            assert (one.member_id, one.start, one.finish) == (running[one.subtask_id][0], 0, running[one.subtask_id][1])
            continue
        assert may(member, subtask)
        assert one.start >= member.available_from
        assert all(one.finish <= gone or one.start >= back for gone, back in member.leave if gone < back)
        assert one.finish - one.start == subtask.effort
        assert all(dep in at and at[dep].finish <= one.start for dep in subtask.depends_on)
    for one in lost:
        alone = not any(may(member, by_id[one]) for member in members)
        assert alone or any(dep in lost for dep in by_id[one].depends_on)
    assert plan.makespan == max((one.finish for one in plan.assignments), default=0.0)
    for member in members:
        own = [one for one in plan.assignments if one.member_id == member.id]
        spans = [(one.start, one.finish) for one in own if one.subtask_id not in running]
        at_work = [(member.id, one.start, one.finish) for one in own if one.subtask_id in running]
        elsewhere = [one for one in (*busy, *at_work) if one[0] == member.id]
        for start, finish in spans:
            moments = {start, *(other for other, _ in spans if start <= other < finish)}
            moments |= {max(begin, start) for _, begin, end in elsewhere if begin < finish}
            for moment in moments if finish > start else ():
                work = sum(begin <= moment < end for begin, end in spans)
                taken = sum(begin <= moment < end for _, begin, end in elsewhere)
                # Elsewhere it may be overbooked already; then nothing may be added.
                assert work + min(taken, member.capacity) <= member.capacity


@st.composite
def problems(draw, max_subtasks=12, max_members=5):
    """Draw subtasks, members and busy spans with whole hours, so that times compare exactly."""
    roles = st.sampled_from(list(Role)[1:5])
    skills = st.dictionaries(st.sampled_from(["go", "sql"]), st.integers(0, 2))
    leaves = st.lists(st.tuples(st.integers(-1, 12), st.integers(0, 5)), max_size=2)
    members = [
        SquadMember(
            id=f"m{n}",
            name="m",
            role=draw(roles),
            skills=draw(skills),
            capacity=draw(st.integers(1, 3)),
            available_from=draw(st.integers(0, 4)),
            specialisation=draw(st.sampled_from([None, "python_go", "sql"])),
            leave=[(start, start + hours) for start, hours in draw(leaves)],
        )
        for n in range(draw(st.integers(0, max_members)))
    ]
    ids = [one.id for one in members]
    subtasks = [
        Subtask(
            id=f"s{n}",
            title="s",
            role=draw(st.one_of(st.none(), roles)),
            skills=draw(st.one_of(st.just({}), skills)),
            effort=draw(st.integers(0, 6)),
            priority=draw(st.sampled_from(["low", "normal", "high", "urgent"])),
            depends_on=[f"s{one}" for one in draw(st.sets(st.integers(0, n - 1), max_size=3))] if n else [],
            deadline=draw(st.one_of(st.none(), st.integers(0, 12))),
            excluded=draw(st.lists(st.sampled_from(ids), max_size=2)) if ids else [],
        )
        for n in range(draw(st.integers(0, max_subtasks)))
    ]
    spans = st.tuples(st.sampled_from([*ids, "elsewhere"]), st.integers(0, 10), st.integers(0, 6))
    busy = [(who, start, start + length) for who, start, length in draw(st.lists(spans, max_size=6))]
    return draw(st.permutations(subtasks)), members, busy
