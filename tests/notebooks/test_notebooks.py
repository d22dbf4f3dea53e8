"""Each notebook runs from top to bottom, with this interpreter, and imports public names alone."""

import ast
import sys
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
PACKAGES = {"agents", "delegation", "graph", "persistence"}
COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def read(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
async def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    manager = AsyncKernelManager()
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv = COMMAND  # whatever kernels are registered on this machine
    client = NotebookClient(read(path), km=manager, timeout=60, resources={"metadata": {"path": str(tmp_path)}})
    done = await client.async_execute(cleanup_kc=True)  # a kernel of our own is ended like one of theirs
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.get("name") == "stderr"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_public_names_alone(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type != "code":
            continue
        tree = compile(cell.source, str(path), "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
                assert node.module in PACKAGES
                assert {alias.name for alias in node.names} <= set(__import__(str(node.module)).__all__)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_its_outputs(path: Path) -> None:
    for cell in read(path).cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")
