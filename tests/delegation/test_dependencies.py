import pytest
from hypothesis import given
from hypothesis import strategies as st

from delegation import PlanError, Subtask
from delegation.dependencies import check, critical_path, remaining_paths, topological_order


def plan(edges, efforts=None):
    """Build subtasks from {id: [dependencies]}."""
    efforts = efforts or {}
    return [Subtask(id=k, title=k, effort=efforts.get(k, 1.0), depends_on=list(v)) for k, v in edges.items()]


def test_order_paths_and_critical_path_of_a_diamond():
    diamond = plan({"d": "bc", "a": "", "b": "a", "c": "a"}, {"a": 1, "b": 5, "c": 2, "d": 1})
    assert topological_order(diamond) == ["a", "b", "c", "d"]
    assert remaining_paths(diamond) == {"a": 7, "b": 6, "c": 3, "d": 1}
    assert critical_path(diamond) == ["a", "b", "d"]


def test_nothing_is_a_plan():
    assert topological_order([]) == []
    assert remaining_paths([]) == {}
    assert critical_path([]) == []


def test_a_dependency_given_twice_counts_once():
    assert check(plan({"a": "", "b": "aa"})).before == [[], [0]]


@pytest.mark.parametrize(
    ("subtasks", "message"),
    [
        (plan({"a": ""}) + plan({"a": ""}), "subtask id 'a' is given twice"),
        (plan({"S3": ["S9"]}), "subtask 'S3' depends on 'S9', which is not in the plan"),
        (plan({"a": "a"}), "the dependencies run in a circle: a -> a"),
        (plan({"a": "c", "b": "a", "c": "b"}), "the dependencies run in a circle: a -> b -> c -> a"),
        (plan({"x": "", "z": "y", "a": "cx", "b": "a", "c": "b", "y": "c"}), "circle: a -> b -> c -> a"),
        (plan({"a": ""}, {"a": -1.0}), "subtask 'a' has an effort of -1.0 hours"),
        (plan({"a": ""}, {"a": float("nan")}), "subtask 'a' has an effort of nan hours"),
        (plan({"a": ""}, {"a": float("inf")}), "subtask 'a' has an effort of inf hours"),
        (plan({"a": "", "b": ""}, {"a": 1e308, "b": 1e308}), "more hours than can be counted"),
    ],
)
def test_contradictions_are_named(subtasks, message):
    with pytest.raises(PlanError, match="^.*" + message.replace("?", r"\?")) as caught:
        check(subtasks)
    assert caught.value.hint or "given twice" in str(caught.value)


def test_a_long_cycle_is_named_in_short():
    names = [f"s{n}" for n in range(50_000)]
    circle = plan({name: [names[n - 1]] for n, name in enumerate(names)})
    with pytest.raises(PlanError) as caught:
        check(circle)
    assert len(str(caught.value)) < 200
    assert "s0 -> s1 -> " in str(caught.value)
    assert str(caught.value).endswith("-> s49999 -> s0")


@pytest.mark.timeout(60)  # a second in truth
def test_fifty_thousand_in_one_chain():
    names = [f"s{n}" for n in range(50_000)]
    chain = plan({name: [names[n + 1]] if n + 1 < len(names) else [] for n, name in enumerate(names)})
    network = check(chain)
    assert network.critical_path() == names[::-1]
    assert network.path[0] == 1.0


@st.composite
def graphs(draw):
    count = draw(st.integers(0, 12))
    edges = {str(n): sorted(draw(st.sets(st.integers(0, n - 1), max_size=3))) if n else [] for n in range(count)}
    efforts = {str(n): draw(st.integers(0, 5)) for n in range(count)}
    order = draw(st.permutations(list(edges)))
    return plan({one: [str(d) for d in edges[one]] for one in order}, efforts)


@given(graphs())
def test_order_and_paths_hold_on_any_graph(subtasks):
    order = topological_order(subtasks)
    at = {one: n for n, one in enumerate(order)}
    assert sorted(order) == sorted(subtask.id for subtask in subtasks)
    assert all(at[earlier] < at[one.id] for one in subtasks for earlier in one.depends_on)
    paths = remaining_paths(subtasks)
    for one in subtasks:
        assert all(paths[earlier] >= paths[one.id] for earlier in one.depends_on)
    chain = critical_path(subtasks)
    efforts = {one.id: one.effort for one in subtasks}
    assert sum(efforts[one] for one in chain) == max(paths.values(), default=0)
