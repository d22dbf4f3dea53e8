import asyncio
import ctypes
import functools
import os
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from repositories import git, make_repository, write

from agents.workspace import Author, Copy, CopyHands, Mark, Repository, Workspace
from agents.workspace.paths import Inside, is_git
from agents.workspace.texts import LARGEST_FILE, LONGEST_TEXT
from delegation import HandsRefused

FILES = {
    "app.py": "def total(items):\n    return sum(items)\n\n\ndef mean(items):\n    return total(items) / len(items)\n",
    "windows.txt": "one\r\ntwo\r\nthree\r\n",
    "data.bin": b"\x00\x01\x02",
    "latin.txt": "caf\xe9".encode("latin-1"),
    "empty.txt": "",
    "long.txt": "".join(f"line {at}\n" for at in range(1, 5001)),
    "pkg/deep/er/module.py": "x = 1\n",
}
MARK = Mark("e1", "s1", 1, 1)


@pytest.fixture
async def workspace(tmp_path: Path) -> Workspace:
    top = make_repository(tmp_path / "repository", FILES)
    return await Workspace.open(await Repository.open(top), "e1", tmp_path / "private")


@pytest.fixture
async def hands(workspace: Workspace) -> AsyncIterator[CopyHands]:
    hands = CopyHands(workspace, lambda: workspace.begin(MARK))
    await hands.list()
    yield hands
    await hands.discard()


@pytest.fixture
def folder(hands: CopyHands) -> Path:
    assert hands.copy is not None
    return hands.copy.folder


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    write(tmp_path / "outside", {"secret.txt": "the secret\n"})
    return tmp_path / "outside" / "secret.txt"


def intact(secret: Path) -> bool:
    return secret.read_text() == "the secret\n" and [one.name for one in secret.parent.iterdir()] == ["secret.txt"]


async def test_a_file_is_read_with_numbered_lines(hands: CopyHands) -> None:
    assert await hands.read("app.py", first_line=5, lines=2) == (
        "     5  def mean(items):\n     6      return total(items) / len(items)"
    )
    assert (await hands.read("./pkg//deep/er/module.py")) == "     1  x = 1"
    assert await hands.read("empty.txt") == "empty.txt is empty"
    assert (await hands.read("windows.txt")).splitlines() == ["     1  one", "     2  two", "     3  three"]


async def test_a_long_file_is_read_in_pieces(hands: CopyHands) -> None:
    first = await hands.read("long.txt")
    assert first.endswith("   400  line 400\n[lines 1 to 400 of 5000; read on with first_line=401]")
    whole = await hands.read("long.txt", lines=10**9)
    assert len(whole) < LONGEST_TEXT + 100
    with pytest.raises(HandsRefused, match="has 5000 lines"):
        await hands.read("long.txt", first_line=5001)


async def test_a_line_without_an_end_is_cut(hands: CopyHands) -> None:
    await hands.write("one.js", "x" * 3_000_000)
    assert len(await hands.read("one.js")) < 2100


@pytest.mark.parametrize(("path", "said"), [("data.bin", "is no text"), ("latin.txt", "not in UTF-8")])
async def test_what_is_no_text_is_not_read(hands: CopyHands, path: str, said: str) -> None:
    with pytest.raises(HandsRefused, match=said):
        await hands.read(path)


async def test_folders_are_listed_to_a_depth(hands: CopyHands) -> None:
    shown = (await hands.list()).splitlines()
    assert shown == sorted([*(name for name in FILES if "/" not in name), "pkg/", "pkg/deep/"])
    assert (await hands.list("pkg", depth=9)).splitlines() == ["deep/", "deep/er/", "deep/er/module.py"]
    with pytest.raises(HandsRefused, match="a file, no folder"):
        await hands.list("app.py")
    with pytest.raises(HandsRefused, match="not there"):
        await hands.list("nowhere")


async def test_a_list_is_bounded_and_shows_no_control_characters(hands: CopyHands, folder: Path) -> None:
    for at in range(700):
        (folder / f"many-{at}").touch()
    (folder / "a\n\x1b[31mred").touch()
    os.mkfifo(folder / "a pipe")
    (folder / "a link").symlink_to("/etc")
    shown = await hands.list()
    assert len(shown.splitlines()) == 501
    assert "\x1b" not in shown
    assert {"a pipe (special file)", "a link (link)", "'a\\n\\x1b[31mred'"} <= set(shown.splitlines())


async def test_lines_are_found_by_a_regular_expression(hands: CopyHands) -> None:
    assert await hands.search(r"def \w+\(items\)") == "app.py:1:def total(items):\napp.py:5:def mean(items):"
    assert await hands.search("x = 1", "pkg/deep") == "pkg/deep/er/module.py:1:x = 1"
    assert await hands.search("nothing of the kind") == "nothing matches 'nothing of the kind'"
    await hands.write("new.py", "brand = 'new'\n")
    assert await hands.search("brand") == "new.py:1:brand = 'new'"
    assert len((await hands.search("line")).splitlines()) == 201


@pytest.mark.parametrize("pattern", ["(", "", "x" * 2000, "a\0b"])
async def test_what_is_no_pattern_is_refused(hands: CopyHands, pattern: str) -> None:
    with pytest.raises(HandsRefused, match="pattern"):
        await hands.search(pattern)


async def test_a_pattern_that_takes_for_ever_holds_nobody_up(hands: CopyHands) -> None:
    await hands.write("a.txt", "a" * 60 + "!\n")
    looking = asyncio.create_task(hands.search("(a|aa|a+)+$"))
    for _ in range(20):  # the loop goes on meanwhile
        await asyncio.sleep(0)
    try:
        await looking
    except HandsRefused as refused:
        assert "cannot be searched for" in str(refused)  # noqa: PT017 - either end will do


async def test_files_are_made_and_replaced(hands: CopyHands, folder: Path) -> None:
    assert await hands.write("new/in/here.txt", "one\ntwo") == "made new/in/here.txt: 2 lines"
    (folder / "app.py").chmod(0o755)
    assert await hands.write("app.py", "short\n") == "replaced app.py: 1 line"
    assert (folder / "app.py").stat().st_mode & 0o777 == 0o755
    assert (folder / "new/in/here.txt").read_text() == "one\ntwo"
    with pytest.raises(HandsRefused, match="half a character"):
        await hands.write("app.py", "\ud800")
    with pytest.raises(HandsRefused, match="too large"):
        await hands.write("app.py", "x" * (LARGEST_FILE + 1))
    with pytest.raises(HandsRefused, match="not a plain file"):
        await hands.write("pkg", "x")
    with pytest.raises(HandsRefused, match="is no folder"):
        await hands.write("app.py/x", "x")


async def test_an_edit_replaces_the_one_place(hands: CopyHands, folder: Path) -> None:
    assert await hands.edit("app.py", "return sum(items)", "return float(sum(items))") == "edited app.py at line 2"
    assert "    return float(sum(items))\n" in (folder / "app.py").read_text()
    assert "+    return float(sum(items))" in await hands.diff()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("items", "things", "at lines 1, 2, 5, 6"),
        ("no such", "x", "holds no such text"),
        ("", "x", "is empty"),
        ("def total", "def total", "the new text is the old one"),
        ("DEF TOTAL", "x", "holds no such text"),
    ],
)
async def test_an_edit_that_is_not_of_one_place_changes_nothing(
    hands: CopyHands, folder: Path, old: str, new: str, said: str
) -> None:
    with pytest.raises(HandsRefused, match=said):
        await hands.edit("app.py", old, new)
    assert (folder / "app.py").read_text() == FILES["app.py"]


async def test_places_that_overlap_are_two(hands: CopyHands) -> None:
    await hands.write("aaa.txt", "aaa\n")
    with pytest.raises(HandsRefused, match="holds that text at lines 1, 1"):
        await hands.edit("aaa.txt", "aa", "b")


async def test_an_edit_keeps_the_ends_of_lines(hands: CopyHands, folder: Path) -> None:
    await hands.edit("windows.txt", "one\ntwo", "1\n2\n2b")
    assert (folder / "windows.txt").read_bytes() == b"1\r\n2\r\n2b\r\nthree\r\n"


async def test_edits_of_one_file_at_the_same_time_lose_nothing(hands: CopyHands, folder: Path) -> None:
    await hands.write("many.txt", "".join(f"<{at}>\n" for at in range(20)))
    await asyncio.gather(*(hands.edit("many.txt", f"<{at}>", f"[{at}]") for at in range(20)))
    assert (folder / "many.txt").read_text() == "".join(f"[{at}]\n" for at in range(20))


async def test_whoever_reviews_sees_the_branch_and_writes_nothing(workspace: Workspace) -> None:
    copy = await workspace.begin(MARK)
    write(copy.folder, {"app.py": "new\n"})
    await workspace.land(copy, MARK, "t", Author("anna", "Anna"))

    async def made() -> object:
        return await workspace.copy("review", await workspace.head())

    review = CopyHands(workspace, made, writes=False, whole=True)  # type: ignore[arg-type]
    assert "+new" in await review.diff()
    assert await review.read("app.py") == "     1  new"
    for refused in (review.write("app.py", "x"), review.edit("app.py", "new", "x"), review.run(["true"])):
        with pytest.raises(HandsRefused):
            await refused


# --- paths that nobody may use

OUTSIDE = [
    "..",
    "../outside/secret.txt",
    "pkg/../../outside/secret.txt",
    "pkg/..",
    "/etc/passwd",
    "//etc/passwd",
    "~/.ssh/id_rsa",
    ".git",
    ".git/config",
    "pkg/.git/hooks/pre-commit",
    ".GIT/config",
    ".Git/config",
    "GIT~1/config",
    ".git./config",
    ".git /config",
    ".git::$INDEX_ALLOCATION/config",
    ".g\u200cit/config",
    "\uff0egit/config",
    "app.py\0.txt",
    "app\n.py",
    "app\x1b.py",
    "\ud800",
    "a" * 300,
    "a/" * 100 + "b",
    "é" * 150,
]


@pytest.mark.parametrize("path", OUTSIDE, ids=[ascii(one)[:40] for one in OUTSIDE])
async def test_a_path_that_is_not_inside_is_refused_by_every_tool(hands: CopyHands, path: str) -> None:
    for refused in (
        hands.read(path),
        hands.write(path, "x"),
        hands.edit(path, "a", "b"),
        hands.list(path),
        hands.search("x", path),
    ):
        with pytest.raises(HandsRefused) as caught:
            await refused
        assert caught.value.message.isprintable()


@pytest.mark.parametrize("path", ["", ".", "./", "app.py/", "/"])
async def test_what_names_no_file_is_refused(hands: CopyHands, path: str) -> None:
    with pytest.raises(HandsRefused):
        await hands.read(path)
    with pytest.raises(HandsRefused):
        await hands.write(path, "x")


async def test_links_are_not_followed_wherever_they_lead(hands: CopyHands, folder: Path, secret: Path) -> None:
    (folder / "file").symlink_to(secret)
    (folder / "folder").symlink_to(secret.parent)
    (folder / "inside").symlink_to("app.py")
    (folder / "loop").symlink_to("loop")
    (folder / "broken").symlink_to(secret.parent / "new.txt")
    for path in ("file", "folder/secret.txt", "inside", "loop", "broken", "folder/new.txt"):
        for refused in (hands.read(path), hands.write(path, "overwritten"), hands.edit(path, "the", "no")):
            with pytest.raises(HandsRefused):
                await refused
    assert intact(secret)
    assert await hands.search("the secret") == "nothing matches 'the secret'"
    for path in ("folder", "folder/secret.txt"):
        with pytest.raises(HandsRefused):
            await hands.list(path)
        with pytest.raises(HandsRefused):
            await hands.search("secret", path)


async def test_a_file_with_another_name_outside_is_not_written_through(
    hands: CopyHands, folder: Path, secret: Path
) -> None:
    (folder / "linked.txt").hardlink_to(secret)
    await hands.write("linked.txt", "new\n")
    assert intact(secret)


async def test_pipes_sockets_and_devices_are_neither_opened_nor_waited_for(
    hands: CopyHands, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for path in ("pipe", "socket"):
            for refused in (hands.read(path), hands.write(path, "x"), hands.edit(path, "a", "b")):
                with pytest.raises(HandsRefused, match="not a plain file"):
                    await asyncio.wait_for(refused, 10)
        await asyncio.wait_for(hands.search("x"), 10)


async def test_a_link_that_comes_between_check_and_use_is_not_followed(folder: Path, secret: Path) -> None:
    """A program changes a name from a folder to a link and back, as fast as it can, while it is read and written."""
    inside, over, done = Inside(folder), threading.Event(), 0
    (folder / "real").mkdir()
    (folder / "real/secret.txt").write_text("harmless\n")
    (folder / "there").symlink_to(secret.parent)

    exchange = functools.partial(ctypes.CDLL(None).renameat2, -100, bytes(folder / "real"), -100)

    def swap() -> None:
        while not over.is_set():
            exchange(bytes(folder / "there"), 2)  # both at once: neither name is ever without a meaning

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for _ in range(300):
            with suppress(HandsRefused):
                assert inside.read("real/secret.txt", 1000) == b"harmless\n"
                done += 1
            with suppress(HandsRefused):
                inside.write("real/secret.txt", b"harmless\n")
    finally:
        over.set()
        swapping.join()
    assert 0 < done < 300
    assert intact(secret)


async def test_a_file_too_large_is_not_read(hands: CopyHands, folder: Path) -> None:
    with (folder / "huge").open("wb") as file:
        file.truncate(50 << 30)
    with pytest.raises(HandsRefused, match="too large: 53,687,091,200 bytes"):
        await hands.read("huge")


def test_names_that_only_look_like_gits_are_free() -> None:
    assert not any(map(is_git, [".gitignore", ".github", "git", "x.git", ".gitattributes", ".git2"]))


async def test_what_git_needs_is_not_in_the_copy(folder: Path, workspace: Workspace) -> None:
    assert not (folder / ".git").exists()
    assert git(workspace.repository.top, "status", "--porcelain") == ""


async def test_a_copy_that_is_being_made_is_given_up_before_the_next_one_is(workspace: Workspace) -> None:
    making: list[asyncio.Event] = [asyncio.Event(), asyncio.Event()]
    given_up: list[bool] = []

    async def made() -> Copy:
        turn = making.pop(0)
        if making:
            try:
                await turn.wait()
            finally:
                given_up.append(True)
        assert given_up, "the first one is still being made"
        return await workspace.begin(MARK)

    hands = CopyHands(workspace, made)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(hands.read("app.py"), 0.05)
    await hands.afresh()
    assert "def total" in await hands.read("app.py")
    await hands.discard()


async def test_a_search_that_matches_everything_reads_no_more_than_it_may(hands: CopyHands, folder: Path) -> None:
    write(folder, {f"many/{at}.txt": f"{'x' * 60}\n" * 60_000 for at in range(3)})
    found = await hands.search("x")
    assert len(found) < LONGEST_TEXT + 100
    assert found.splitlines()[-1].startswith("[at least ")
