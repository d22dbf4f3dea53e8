import asyncio
import os
from pathlib import Path

import pytest
from repositories import git, make_repository, snapshot, write

from agents.workspace import Author, Conflict, Copy, Mark, Repository, Workspace
from agents.workspace.commits import Commit
from agents.workspace.git import LONGEST_OUTPUT
from delegation import ConfigurationError, WorkspaceError

ANNA, BOB = Author("anna", "Anna"), Author("bob", "Bob")
FILES = {"app.py": "one\ntwo\nthree\n", "docs/notes.md": "notes\n"}


def mark(subtask: str = "s1", turn: int = 1, *, round_: int = 1) -> Mark:
    return Mark("e1", subtask, round_, turn)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", FILES)


async def opened(top: Path, execution: str = "e1") -> Workspace:
    return await Workspace.open(await Repository.open(top), execution, top.parent / "private" / execution)


async def committed(workspace: Workspace, files: dict[str, str], of: Mark, by: Author = ANNA) -> Commit:
    copy = await workspace.begin(of)
    write(copy.folder, files)
    landed = await workspace.land(copy, of, "Do it", by)
    assert isinstance(landed, Commit)
    return landed


async def wrote(workspace: Workspace, path: str) -> list[str | None]:
    """Return who wrote each of the first three lines."""
    found = [await workspace.writers_of(path, line) for line in (1, 2, 3)]
    return [one[0].member_id if one else None for one in found]


async def test_a_subtask_is_one_commit_with_its_member_as_author(top: Path) -> None:
    workspace = await opened(top)
    landed = await committed(workspace, {"app.py": "one\nTWO\nthree\n", "new/file.py": "x = 1\n"}, mark())
    told = git(top, "log", "-1", "--format=%an <%ae>%n%B", "squad/e1")
    assert told.startswith("Anna <anna-")
    assert told.splitlines()[1] == "s1: Do it"
    assert "Squad-Subtask: s1\nSquad-Round: 1\nSquad-Turn: 1\nSquad-Member: anna" in told
    change = await workspace.change_of(landed)
    assert (change.files, change.insertions, change.deletions) == (["app.py", "new/file.py"], 2, 1)
    assert await workspace.authors() == {"anna"}
    assert git(top, "show", "squad/e1:new/file.py") == "x = 1\n"


async def test_the_users_checkout_is_the_same_byte_by_byte(top: Path) -> None:
    write(top, {"app.py": "dirty\n", "untracked.txt": "mine\n", "staged.txt": "staged\n"})
    git(top, "stash", "--quiet", "--include-untracked")
    write(top, {"app.py": "dirty again\n", "untracked.txt": "mine\n", "staged.txt": "staged\n"})
    git(top, "add", "staged.txt")
    before = snapshot(top)
    workspace = await opened(top)
    await committed(workspace, {"app.py": "other\n", "staged.txt": "theirs\n"}, mark())
    await workspace.diff(await workspace.begin(mark("s2")))
    await workspace.writers_of("app.py")
    await workspace.writers_of("app.py", 1)
    await workspace.remove()
    assert snapshot(top) == before
    assert git(top, "branch", "--list", "squad/*").split() == ["squad/e1"]


async def test_members_work_side_by_side_and_both_changes_are_on_the_branch(top: Path) -> None:
    workspace = await opened(top)
    first, second = await asyncio.gather(workspace.begin(mark("s1")), workspace.begin(mark("s2")))
    write(first.folder, {"app.py": "ONE\ntwo\nthree\n"})
    write(second.folder, {"app.py": "one\ntwo\nTHREE\n"})
    done = await asyncio.gather(
        workspace.land(first, mark("s1"), "a", ANNA), workspace.land(second, mark("s2"), "b", BOB)
    )
    assert all(isinstance(one, Commit) for one in done)
    assert git(top, "show", "squad/e1:app.py") == "ONE\ntwo\nTHREE\n"
    assert [one.member_id for one in await workspace.commits()] == ["anna", "bob"]
    assert [one.member_id for one in await workspace.writers_of("app.py")] == ["bob", "anna"]
    assert await workspace.writers_of("app.py", 99) == await workspace.writers_of("no.py") == []
    assert await wrote(workspace, "app.py") == ["anna", None, "bob"]


async def test_a_conflict_names_files_and_members_and_changes_nothing(top: Path) -> None:
    workspace = await opened(top)
    copy = await workspace.begin(mark("s2"))
    landed = await committed(workspace, {"app.py": "anna\n"}, mark("s1"))
    write(copy.folder, {"app.py": "bob\n", "docs/notes.md": "bob's\n"})
    conflict = await workspace.land(copy, mark("s2"), "b", BOB)
    assert isinstance(conflict, Conflict)
    assert (conflict.files, conflict.members, conflict.head) == (["app.py"], ["anna"], landed.id)
    assert "+bob" in conflict.own_diff
    assert str(conflict) == "the change conflicts with what anna committed meanwhile in app.py"
    again = await workspace.begin(mark("s2"), attempt=1)
    assert (again.base, (again.folder / "app.py").read_text()) == (landed.id, "anna\n")


async def test_a_file_deleted_by_one_and_changed_by_the_other_is_a_conflict(top: Path) -> None:
    workspace = await opened(top)
    copy = await workspace.begin(mark("s2"))
    await committed(workspace, {"app.py": "anna\n"}, mark("s1"))
    (copy.folder / "app.py").unlink()
    conflict = await workspace.land(copy, mark("s2"), "b", BOB)
    assert isinstance(conflict, Conflict)
    assert conflict.files == ["app.py"]


async def test_a_change_that_is_on_the_branch_already_is_not_committed_twice(top: Path) -> None:
    workspace = await opened(top)
    first = await committed(workspace, {"app.py": "new\n"}, mark())
    # killed before the outcome was stored: another process begins the same subtask again
    later = await opened(top)
    copy = await later.begin(mark())
    assert copy.base == workspace.base
    write(copy.folder, {"app.py": "new, in other words\n"})
    assert await later.land(copy, mark(), "Do it", ANNA) == first
    assert len(await later.commits()) == 1
    # a later turn is another change
    assert (await committed(later, {"app.py": "newer\n"}, mark(turn=2, round_=2))).id != first.id


async def test_a_subtask_begins_again_from_the_same_commit_and_clean(top: Path) -> None:
    workspace = await opened(top)
    copy = await workspace.begin(mark("s1"))
    write(copy.folder, {"app.py": "half\n", "half.py": "half\n"})
    await committed(workspace, {"docs/notes.md": "more\n"}, mark("s2"), BOB)
    later = await opened(top)
    again = await later.begin(mark("s1"))
    assert again.base == copy.base == workspace.base
    assert sorted(one.name for one in again.folder.iterdir()) == ["app.py", "docs"]
    assert (again.folder / "docs/notes.md").read_text() == "notes\n"
    assert (await later.begin(mark("s1", turn=2))).base == await later.head()


async def test_no_change_is_no_commit(top: Path) -> None:
    workspace = await opened(top)
    copy = await workspace.begin(mark())
    write(copy.folder, {"app.py": FILES["app.py"], "__pycache__/app.pyc": "cache", ".pytest_cache/x": "cache"})
    assert await workspace.land(copy, mark(), "Do it", ANNA) is None
    assert await workspace.head() == workspace.base


async def test_what_the_repository_ignores_is_not_committed(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "repository", {".gitignore": "*.log\n"})
    workspace = await opened(top)
    landed = await committed(workspace, {"a.log": "log", "a.txt": "text"}, mark())
    assert (await workspace.change_of(landed)).files == ["a.txt"]


async def test_what_somebody_else_commits_on_the_branch_is_kept(top: Path, tmp_path: Path) -> None:
    workspace = await opened(top)
    await committed(workspace, {"app.py": "anna\n"}, mark())
    git(top, "worktree", "add", "--quiet", str(tmp_path / "theirs"), "squad/e1")
    write(tmp_path / "theirs", {"docs/notes.md": "a human's\n"})
    git(tmp_path / "theirs", "commit", "--quiet", "--all", "-m", "By hand\n\nSquad-Subtask: s9")
    await committed(workspace, {"app.py": "bob\n"}, mark("s2"), BOB)
    assert [one.member_id for one in await workspace.commits()] == ["anna", None, "bob"]
    assert git(top, "show", "squad/e1:docs/notes.md") == "a human's\n"


@pytest.mark.parametrize("title", ["x\n\nSquad-Subtask: s9\nSquad-Turn: 7", "\u202eevil\x1b[31m", "", "y" * 500])
async def test_a_title_cannot_pass_for_a_trailer(top: Path, title: str) -> None:
    workspace = await opened(top)
    odd = Mark("e1", "s\n1", 1, 1)
    copy = await workspace.begin(odd)
    write(copy.folder, {"app.py": "new\n"})
    landed = await workspace.land(copy, odd, title, Author("a<b>\n", "A <x@y>\nB"))
    assert isinstance(landed, Commit)
    assert await workspace.landed(odd) == landed
    assert await workspace.landed(Mark("e1", "s 1", 1, 1)) is None
    assert await workspace.landed(Mark("e1", "s9", 1, 7)) is None
    assert len(landed.subject) <= 120
    assert landed.subject.isprintable()


async def test_two_executions_have_branches_of_their_own(top: Path) -> None:
    one, other = await opened(top, "e1"), await opened(top, "e2")
    await committed(one, {"app.py": "one\n"}, mark())
    assert await other.head() == other.base
    assert git(top, "branch", "--list", "squad/*").split() == ["squad/e1", "squad/e2"]


async def test_a_branch_that_is_gone_is_said(top: Path) -> None:
    workspace = await opened(top)
    copy = await workspace.begin(mark())
    write(copy.folder, {"app.py": "new\n"})
    git(top, "branch", "-D", "squad/e1")
    with pytest.raises(WorkspaceError, match=r"squad/e1 of .* is gone"):
        await workspace.land(copy, mark(), "Do it", ANNA)
    with pytest.raises(WorkspaceError, match="is gone, and with it"):
        await opened(top)


async def test_a_branch_of_that_name_that_was_there_before_is_left_alone(top: Path) -> None:
    git(top, "branch", "squad/e1")
    with pytest.raises(WorkspaceError, match="not made by this execution"):
        await opened(top)
    assert git(top, "for-each-ref", "refs/squad") == ""


async def test_all_is_deleted_but_the_branch(top: Path) -> None:
    workspace = await opened(top)
    await committed(workspace, {"app.py": "new\n"}, mark())
    folder = workspace.folder
    locked = (await workspace.begin(mark("s2"))).folder / "locked"
    locked.mkdir()
    (locked / "file").write_text("x")
    locked.chmod(0)
    await workspace.remove()
    assert not folder.exists()
    assert git(top, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main", "refs/heads/squad/e1"]
    assert "worktree" not in os.listdir(top / ".git")  # noqa: PTH208


async def test_a_tree_deeper_than_a_path_can_be_long_is_deleted(top: Path) -> None:
    workspace = await opened(top)
    copy = await workspace.begin(mark())
    here = os.open(copy.folder, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        further = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = further
    os.close(here)
    with pytest.raises(WorkspaceError, match="cannot be looked into"):
        await workspace.land(copy, mark(), "Do it", ANNA)
    await workspace.discard(copy)
    assert not copy.folder.exists()


async def test_objects_of_a_shared_repository_can_be_written_by_its_group(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "repository", FILES, "--shared=group")
    known = {one.name for one in (top / ".git" / "objects").iterdir()}
    workspace = await opened(top)
    await committed(workspace, {"app.py": "new\n", "b.py": "b\n"}, mark())
    made = [one for one in (top / ".git" / "objects").iterdir() if one.name not in known]
    assert made
    assert all(one.stat().st_mode & 0o070 == 0o070 for one in made)


async def test_a_git_that_is_too_old_is_said(top: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "old" / "git"
    write(tmp_path / "old", {"git": "#!/bin/sh\necho git version 2.30.2\n"})
    old.chmod(0o755)
    monkeypatch.setattr("agents.workspace.repository.git_program", lambda: str(old))
    monkeypatch.setattr("agents.workspace.git.git_program", lambda: str(old))
    with pytest.raises(ConfigurationError, match=r"git version 2\.30\.2 is too old"):
        await Repository.open(top)


# --- hostile repositories

HOSTILE = """
[core]
    hooksPath = {folder}/hooks
    fsmonitor = {trap} fsmonitor
    sshCommand = {trap} ssh
    pager = {trap} pager
    editor = {trap} editor
    attributesFile = {folder}/attributes
    worktree = {folder}/elsewhere
[diff]
    external = {trap} external
[diff "evil"]
    textconv = {trap} textconv
    command = {trap} command
[filter "evil"]
    clean = {trap} clean
    smudge = {trap} smudge
    process = {trap} process
    required = true
[merge "evil"]
    driver = {trap} merge
[gpg]
    program = {trap} gpg
[commit]
    gpgSign = true
[credential]
    helper = {trap} credential
[submodule "sub"]
    update = !{trap} submodule
[gc]
    auto = 1
[alias]
    diff = !{trap} alias
"""

HOOKS = ["pre-commit", "post-checkout", "post-commit", "reference-transaction", "post-index-change", "pre-auto-gc"]


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that leaves a trace when anything runs it."""
    program = tmp_path / "trap"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/sprung\ncat\n')
    program.chmod(0o755)
    return program


@pytest.fixture
def hostile(top: Path, trap: Path, tmp_path: Path) -> Path:
    """A repository whose configuration, attributes and hooks all spring the trap."""
    write(
        top,
        {".gitattributes": "* filter=evil diff=evil merge=evil\n", ".gitmodules": '[submodule "sub"]\npath = sub\n'},
    )
    git(top, "add", "--all")
    git(top, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(top, "commit", "--quiet", "-m", "Attributes")
    for folder in (tmp_path / "hooks", top / ".git" / "hooks"):
        for name in HOOKS:
            write(folder, {name: f"#!/bin/sh\n{trap} hook {name}\n"})
            (folder / name).chmod(0o755)
    write(top, {".git/info/attributes": "* filter=evil diff=evil merge=evil\n", "../attributes": "* filter=evil\n"})
    with (top / ".git" / "config").open("a") as file:
        file.write(HOSTILE.format(folder=tmp_path, trap=trap))
    return top


async def test_nothing_that_a_repository_names_is_run(hostile: Path, tmp_path: Path) -> None:
    workspace = await opened(hostile)
    copies = [await workspace.begin(mark(name)) for name in ("s1", "s2", "s3")]
    write(copies[0].folder, {"app.py": "ONE\ntwo\nthree\n"})
    write(copies[1].folder, {"app.py": "one\ntwo\nTHREE\n"})
    write(copies[2].folder, {"app.py": "something else\n"})
    assert "+ONE" in await workspace.diff(copies[0])
    ends = [await workspace.land(copy, mark(f"s{at}"), "t", ANNA) for at, copy in enumerate(copies, 1)]
    assert [type(one) for one in ends] == [Commit, Commit, Conflict]
    assert "+THREE" in await workspace.branch_diff()
    await workspace.writers_of("app.py")
    await workspace.writers_of("app.py", 1)
    await workspace.remove()
    assert not (tmp_path / "sprung").exists(), (tmp_path / "sprung").read_text()


async def test_the_trap_is_one(hostile: Path, tmp_path: Path) -> None:
    (hostile / "app.py").write_text("x\n")
    git(hostile, "-c", f"core.worktree={hostile}", "--no-pager", "update-ref", "refs/heads/x", "HEAD")
    assert "hook reference-transaction" in (tmp_path / "sprung").read_text()


async def test_a_repository_that_a_program_makes_in_the_copy_is_not_looked_into(
    hostile: Path, trap: Path, tmp_path: Path
) -> None:
    workspace = await opened(hostile)
    copy = await workspace.begin(mark())
    for name in ("sub", "deep/er"):
        make_repository(copy.folder / name, {"x": "x"})
        with (copy.folder / name / ".git" / "config").open("a") as file:
            file.write(f"[core]\n\tfsmonitor = {trap} inner\n")
    write(copy.folder, {".git": f"gitdir: {copy.folder}/sub/.git\n", "app.py": "new\n", "other/.GIT/config": "x"})
    await workspace.diff(copy)
    landed = await workspace.land(copy, mark(), "t", ANNA)
    assert isinstance(landed, Commit)
    assert (await workspace.change_of(landed)).files == ["app.py", "deep/er/x"]
    assert not (tmp_path / "sprung").exists(), (tmp_path / "sprung").read_text()


async def test_links_out_of_a_copy_are_committed_as_links_and_never_followed(top: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    write(outside, {".git/x": "x", "secret": "secret"})
    outside.chmod(0o500)
    workspace = await opened(top)
    copy = await workspace.begin(mark())
    (copy.folder / "out").symlink_to(outside)
    (copy.folder / "file").symlink_to(outside / "secret")
    landed = await workspace.land(copy, mark(), "t", ANNA)
    assert isinstance(landed, Commit)
    assert git(top, "ls-tree", "squad/e1", "out", "file").count("120000 blob") == 2
    await workspace.remove()
    assert (outside / ".git" / "x").exists()
    assert outside.stat().st_mode & 0o777 == 0o500


# --- repositories of every kind


async def test_a_folder_below_the_top_and_a_linked_worktree_are_the_same_repository(top: Path, tmp_path: Path) -> None:
    git(top, "worktree", "add", "--quiet", "-b", "theirs", str(tmp_path / "linked"))
    write(tmp_path / "linked", {"only.txt": "here\n"})
    git(tmp_path / "linked", "add", "--all")
    git(tmp_path / "linked", "commit", "--quiet", "-m", "Only here")
    below, linked = await Repository.open(top / "docs"), await Repository.open(tmp_path / "linked")
    assert (below.top, below.common) == (top, linked.common)
    workspace = await Workspace.open(linked, "e1", tmp_path / "private")
    assert (await workspace.begin(mark())).folder.joinpath("only.txt").read_text() == "here\n"
    assert git(top, "branch", "--list", "squad/*").split() == ["squad/e1"]


async def test_a_bare_repository_and_one_of_longer_ids_will_do(top: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--bare", str(top), "bare.git")
    longer = make_repository(tmp_path / "longer", FILES, "--object-format=sha256")
    for where in (tmp_path / "bare.git", longer):
        workspace = await Workspace.open(await Repository.open(where), "e1", tmp_path / f"private-{where.name}")
        first = await committed(workspace, {"app.py": "ONE\ntwo\nthree\n"}, mark())
        copy = await workspace.begin(mark("s2"))
        await committed(workspace, {"docs/notes.md": "x\n"}, mark("s3"))
        write(copy.folder, {"app.py": "ONE\ntwo\nTHREE\n"})
        assert isinstance(await workspace.land(copy, mark("s2"), "t", BOB), Commit)
        assert await wrote(workspace, "app.py") == ["anna", None, "bob"]
        assert first.id in git(where, "log", "--format=%H", "squad/e1")


async def test_a_shallow_clone_and_one_with_borrowed_objects_will_do(top: Path, tmp_path: Path) -> None:
    write(top, {"app.py": "later\n"})
    git(top, "commit", "--quiet", "--all", "-m", "Later")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{top}", "shallow")
    git(tmp_path, "clone", "--quiet", "--shared", str(top), "shared")
    for name in ("shallow", "shared"):
        workspace = await Workspace.open(await Repository.open(tmp_path / name), "e1", tmp_path / f"private-{name}")
        copy = await workspace.begin(mark("s2"))
        await committed(workspace, {"app.py": "new\n"}, mark())
        write(copy.folder, {"docs/notes.md": "new\n"})
        assert isinstance(await workspace.land(copy, mark("s2"), "t", BOB), Commit)
        assert git(tmp_path / name, "show", "squad/e1:app.py") == "new\n"


async def test_names_in_any_language_and_files_of_any_bytes_are_kept(top: Path) -> None:
    workspace = await opened(top)
    copy = await workspace.begin(mark())
    names = ["ünï/ço dé.txt", "a\tb\nc", '"quoted"', "-rf", ":(top)x", "*"]
    for name in names:
        write(copy.folder, {name: b"\xff\x00\r\n"})
    (copy.folder / os.fsdecode(b"bytes-\xff")).write_bytes(b"x")
    landed = await workspace.land(copy, mark(), "t", ANNA)
    assert isinstance(landed, Commit)
    assert {*names, "bytes-\\udcff"} == set((await workspace.change_of(landed)).files)
    again: Copy = await workspace.begin(mark("s2"))
    assert (again.folder / "-rf").read_bytes() == b"\xff\x00\r\n"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("missing", "is no folder"),
        ("file", "is no folder"),
        ("plain", "is not in a git repository"),
        ("empty", "has no commit yet"),
        ("named squad", "has a branch named squad"),
    ],
)
async def test_what_is_no_repository_to_work_in_is_said_in_a_line(
    top: Path, tmp_path: Path, kind: str, said: str
) -> None:
    where = tmp_path / "where"
    if kind == "file":
        where.write_text("x")
    elif kind != "missing":
        where.mkdir()
    if kind == "empty":
        git(where, "init", "--quiet")
    if kind == "named squad":
        git(top, "branch", "squad")
        where = top
    with pytest.raises(ConfigurationError, match=said) as caught:
        await Repository.open(where)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "path", ["../app.py", "/etc/passwd", "a\0b", "\ud800", "x" * 300_000, "", ".git/config", "-n", ":(top)app.py"]
)
async def test_a_file_that_cannot_be_is_by_nobody(top: Path, path: str) -> None:
    workspace = await opened(top)
    assert await workspace.writers_of(path) == []
    assert await workspace.writers_of(path, 1) == []


@pytest.mark.parametrize("name", ["...", '"', "\\", ".;", "<>", ""])
async def test_a_name_that_git_takes_for_none_is_no_trouble(top: Path, name: str) -> None:
    workspace = await opened(top)
    landed = await committed(workspace, {"new.txt": "new\n"}, mark(), Author("anna", name))
    assert (landed.author, landed.member_id) == ("member", "anna")


async def test_of_an_output_without_end_the_beginning_is_read_and_git_is_ended(top: Path) -> None:
    workspace = await opened(top)
    await committed(workspace, {"large.txt": "line\n" * 2_000_000}, mark())
    diff = await workspace.branch_diff()
    assert len(diff) == LONGEST_OUTPUT
    assert diff.startswith("diff --git a/large.txt b/large.txt")
    with pytest.raises(WorkspaceError, match="git diff failed"):
        await workspace.git.beginning("diff", "nothing-of-that-name")
