"""The drawn graph: what is drawn is what the map says, and a change of the drawing is seen in review."""

from collections import defaultdict
from pathlib import Path

import pytest
from langgraph.graph import END, START

from delegation import Role
from graph import VALID_TRANSITIONS, WorkflowState, build_graph

DRAWING = Path(__file__).with_name("squad.mermaid")
BOARD = "in_progress"


@pytest.fixture(autouse=True)
def _no_database_by_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # building a graph opens nothing: this folder stays empty


def test_the_drawing_is_the_stored_one() -> None:
    """To take over a wanted change, write the drawing to the file: ``draw_mermaid()`` is all that is in it."""
    assert build_graph().get_graph(xray=1).draw_mermaid() == DRAWING.read_text(encoding="utf-8")


def test_the_edges_are_the_map(tmp_path: Path) -> None:
    edges = defaultdict(set)
    for edge in build_graph().get_graph().edges:
        edges[edge.source].add(edge.target)
    assert edges.pop(START) == {WorkflowState.PENDING.value}
    for state, targets in VALID_TRANSITIONS.items():
        assert edges.pop(state.value) == ({target.value for target in targets} or {END})
    assert not edges
    assert not list(tmp_path.iterdir())


def test_every_move_with_a_choice_is_drawn_as_one() -> None:
    for edge in build_graph().get_graph().edges:
        assert edge.conditional == bool(edge.source != START and VALID_TRANSITIONS[WorkflowState(edge.source)])


def test_the_board_declares_where_it_may_send_to() -> None:
    drawn = build_graph().get_graph(xray=1)
    within = {edge.target for edge in drawn.edges if edge.source == f"{BOARD}:open_board"}
    roles = {f"{BOARD}:{role.value}" for role in Role}
    assert within == roles | {f"{BOARD}:close_board"}
    for role in roles:
        assert {edge.target for edge in drawn.edges if edge.source == role} == {f"{BOARD}:close_board"}
    after = {edge.target for edge in drawn.edges if edge.source == f"{BOARD}:close_board"}
    assert f"{BOARD}:open_board" in after
