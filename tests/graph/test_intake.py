"""From a file, standard input or a line of text to a task: what is read, and what is refused in which words."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delegation import InputError, Priority, Task
from graph.intake import MAX_BYTES, parse_task, read_task

TASKS = Path(__file__).parents[2] / "notebooks" / "tasks"


def refused(text: str, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_task(text, source="x", **options)  # type: ignore[arg-type]
    return caught.value


def check_error(error: InputError) -> None:
    assert str(error).isprintable()
    assert str(error)
    assert error.hint is None or error.hint.isprintable()


def test_the_example_task_is_read_whole() -> None:
    task = read_task(str(TASKS / "user_login.md"))
    assert task.title == "Implement user login"
    assert task.priority is Priority.HIGH
    assert task.labels == ["auth", "backend", "frontend"]
    assert task.deadline == datetime(2027, 3, 31, 23, 59, 59, tzinfo=UTC)
    assert len(task.acceptance_criteria) == 6
    assert task.acceptance_criteria[3] == "The session cookie is set with `HttpOnly`, `Secure` and `SameSite=Lax`"
    assert task.description.startswith("Registered customers")
    assert task.description.endswith("terminates TLS.")
    assert "Acceptance criteria" not in task.description
    assert "- A login page at `/login`" in task.description


def test_the_issue_and_the_plain_text_are_read() -> None:
    issue = read_task(str(TASKS / "csv_export_issue.json"))
    assert issue.title.startswith("Export fails")
    assert issue.priority is Priority.HIGH
    assert issue.labels == ["bug", "priority: high"]
    assert len(issue.acceptance_criteria) == 3
    assert "\r" not in issue.description
    text = read_task(str(TASKS / "search_results.txt"))
    assert text.title == "Show how many results a search found"
    assert text.description.startswith("Above the list")
    assert text.acceptance_criteria == []


@pytest.mark.parametrize("form", [None, "markdown"])
def test_criteria_are_found_under_a_heading_and_folded(form: object) -> None:
    text = (
        "# Login\n\nHello\n\n## ✅ Acceptance Criteria:\n\nIn short:\n\n- [ ] one\n  goes on\n- [x] two:\n  - a;\n"
        "  - b\n    - c\n\n* three\n\n### Backend\n\n1. four\n\n## Notes\n\n- not this\n"
    )
    task = parse_task(text, source="x", form=form)  # type: ignore[arg-type]
    assert task.title == "Login"
    assert task.acceptance_criteria == ["one goes on", "two: a; b: c", "three", "four"]
    assert (
        task.description == "Hello\n\n## ✅ Acceptance Criteria:\n\nIn short:\n\n### Backend\n\n## Notes\n\n- not this"
    )


@pytest.mark.parametrize(
    ("text", "title", "criteria", "description"),
    [
        ("Fix it\n\n**Acceptance criteria:**\n\n- a\n- b\n\nMore:\n- c", "Fix it", ["a", "b"], "More:\n- c"),
        ("Fix it\nAcceptance Criteria:\n1. a\n2. b", "Fix it", ["a", "b"], ""),
        ("Fix it\nAcceptance criteria:\n\nsee the wiki", "Fix it", [], "Acceptance criteria:\n\nsee the wiki"),
        ("# Fix it\n###### acceptance-criterion (must)\n- a", "Fix it", ["a"], ""),
        ("# Fix it\n## Acceptance criteria\nGiven a\nwhen b\nthen c\n", "Fix it", ["Given a when b then c"], ""),
        ("# Fix it\n### Acceptance criteria\n\n_No response_\n\n### Next\nx", "Fix it", [], "### Next\nx"),
        ("# Fix it\n## Acceptance criteria\n<!-- - [ ] example -->\n- a", "Fix it", ["a"], None),
        ("# Fix it\n```\n## Acceptance criteria\n- a\n```", "Fix it", [], "```\n## Acceptance criteria\n- a\n```"),
        ("## Acceptance criteria\n- a\n- b", "a", ["a", "b"], ""),
        ("- do this\n- do that", "do this", [], "- do this\n- do that"),
        ("<!-- fill in -->\n\n**Fix it**\nsoon", "Fix it", [], "<!-- fill in -->\n\nsoon"),
        ("Fix it\n======\nsoon", "Fix it", [], "soon"),
        ("Fix it\n\n# import numpy\nx", "Fix it", [], "# import numpy\nx"),
        ("---\n\nFix it", "Fix it", [], "---"),
        ("```python\nprint()\n```", "print()", [], "```python\nprint()\n```"),
        ("修复登录\n\n说明", "修复登录", [], "说明"),
        ("    indented code", "indented code", [], "    indented code"),
        ("[Bug] broken", "[Bug] broken", [], ""),
        ("{{ name }} is not replaced", "{{ name }} is not replaced", [], ""),
    ],
)
def test_title_criteria_and_description(text: str, title: str, criteria: list[str], description: str | None) -> None:
    task = parse_task(text, source="x")
    assert (task.title, task.acceptance_criteria) == (title, criteria)
    if description is not None:
        assert task.description == description.strip()


def test_a_documents_only_first_level_heading_is_its_title_wherever_it_stands() -> None:
    task = parse_task("A preamble\n\n# Fix it\n\nmore", source="x", form="markdown")
    assert (task.title, task.description) == ("Fix it", "A preamble\n\nmore")


def test_plain_text_stays_as_it_is() -> None:
    task = parse_task("\n# Fix it\n\n  - a\n---\n", source="x", form="text")
    assert (task.title, task.description) == ("# Fix it", "- a\n---")


def test_a_long_title_is_shortened_at_a_word_and_kept_in_the_description() -> None:
    words = "word " * 2_000
    task = parse_task(words + "\n\nrest", source="x")
    assert len(task.title) <= 300
    assert task.title.endswith("word…")
    assert task.description == words.strip() + "\n\nrest"
    assert len(parse_task("x" * 10_000, source="x").title) == 300


def test_five_hundred_criteria() -> None:
    text = "# T\n## Acceptance criteria\n" + "".join(f"- [ ] criterion {i}\n" for i in range(500))
    assert len(parse_task(text, source="x").acceptance_criteria) == 500


def test_front_matter_gives_what_it_knows() -> None:
    task = parse_task(
        "---\nTitle: 'A: b'\npriority: URGENT\nlabels: web, ui\ndeadline: 2026-12-31T17:00+01:00\n---\n# A: b\n\ntext",
        source="x",
    )
    assert (task.title, task.description) == ("A: b", "text")
    assert task.priority is Priority.URGENT
    assert task.labels == ["web", "ui"]
    assert task.deadline == datetime(2026, 12, 31, 16, tzinfo=UTC)
    assert parse_task("---\nlabels: [1.0, yes, null]\npriority:\n---\nx", source="x").labels == ["1.0", "yes", "null"]
    assert parse_task("---\n---\nx", source="x").title == "x"
    assert parse_task('---\ntitle: "a\\uD800\\e[31m"\n---\n', source="x").title == "a\ufffd"


@pytest.mark.parametrize(
    ("front", "line", "message", "hint"),
    [
        ("labels: [a", 3, "front matter: ", "quote"),
        ("a: b: c", 2, "mapping values are not allowed", "quote"),
        ("\tpriority: low", 2, "cannot start any token", "quote"),
        ("priority: low\nowner: me", 3, "unknown key 'owner'", "title, priority, labels, deadline"),
        ("priority: low\n\nPriority: high", 4, "'priority' is given twice", "keep one"),
        ("priority: medium", 2, "'medium' is no priority", "low, normal, high, urgent"),
        ("priority: [high]", 2, "the priority is not a text", ""),
        ("deadline: tomorrow", 2, "'tomorrow' is no deadline", "2026-12-31"),
        ("deadline: 2026-02-30", 2, "'2026-02-30' is no deadline", "2026-12-31"),
        ("deadline: 0001-01-01T00:00+14:00", 2, "no deadline", ""),
        ("labels:\n- a: b", 3, "a label is not a text", ""),
        ("title: &a x\nlabels: [*a]", 3, "aliases are not read", "write the value out"),
        ("labels: !!python/name:os.system a", 2, "the tag", "plain value"),
        ('title: "\\U00110000"', 2, "front matter: ", "write"),
        ("just words", 2, "no list of 'key: value' lines", "known keys"),
        ("? [a]\n: b", 2, "a key is not a text", ""),
        ("[" * 9_000, 2, "nests too deeply", ""),
        ("title: " + "x" * 30_000, 2, "more than 20,000 characters", "below the second ---"),
    ],
)
def test_bad_front_matter_is_refused_with_its_line(front: str, line: int, message: str, hint: str) -> None:
    error = refused(f"---\n{front}\n---\n# T\n")
    check_error(error)
    assert message in str(error)
    assert f"x, line {line}:" in str(error) or "labels: [a" in front
    assert hint in (error.hint or "")


def test_front_matter_that_is_not_closed() -> None:
    assert "line 1: the front matter is not closed" in str(refused("---\npriority: low\n\ntext"))


@pytest.mark.parametrize(
    ("issue", "message"),
    [
        ("{", "line 1, column 2"),
        ('{"title": "a",\n', "line 2, column 1"),
        ('{"title": "a"}', 'without "body"'),
        ('{"name": "a", "body": ""}', 'without "title"'),
        ('{"title": 1, "body": ""}', '"title" is not text but a number'),
        ('{"title": null, "body": ""}', '"title" is not text but null'),
        ('{"title": " ", "body": ""}', 'empty "title"'),
        ('{"title": "\\u200b", "body": ""}', "holds no title"),
        ('{"title": "a", "body": []}', '"body" is not text but a list'),
        ('{"title": "a", "body": "", "labels": "bug"}', '"labels" is not a list but text'),
        ('{"title": "a", "body": "", "labels": [{"id": 1}]}', "label 1 has no name"),
        ("[]", "a list of 0"),
        ("7", "not an issue's object"),
        ("[" * 200_000, "nests too deeply"),
        ('{"title": ' + "1" * 9_999 + "}", "too long a number"),
    ],
)
def test_json_of_another_shape_is_refused(issue: str, message: str) -> None:
    error = refused(issue, form="json")
    check_error(error)
    assert message in str(error)
    assert error.hint


def test_json_is_recognised_without_a_name() -> None:
    issue = {"number": 1, "title": "a", "body": "x\u2028y", "labels": ["P1", {"name": "ui"}], "url": "…"}
    task = parse_task("\ufeff" + json.dumps(issue, ensure_ascii=False), source="x")
    assert (task.title, task.description, task.labels) == ("a", "x\ny", ["P1", "ui"])
    assert task.priority is Priority.HIGH
    assert "line 1, column 10" in str(refused('{"title":'))
    assert parse_task('{"title": "a", "body": null}', source="x").description == ""


@pytest.mark.parametrize(
    ("labels", "priority"),
    [
        (["priority: high"], Priority.HIGH),
        (["Priority/Critical", "p0"], Priority.URGENT),
        (["low-priority"], Priority.LOW),
        (["priority:P2"], Priority.NORMAL),
        (["P1", "priority: low"], Priority.NORMAL),
        (["high", "top priority", "highlight", "P10"], Priority.NORMAL),
    ],
)
def test_a_label_names_the_priority_where_only_one_does(labels: list[str], priority: Priority) -> None:
    assert parse_task(json.dumps({"title": "a", "body": "", "labels": labels}), source="x").priority is priority


def test_escapes_controls_and_surrogates_are_cleaned_away() -> None:
    task = parse_task("\x1b]0;title\x07\x1b[31mred\x1b[0m \ud800\x00\x9b text\r\nmore\x0bend", source="x")
    assert (task.title, task.description) == ("red \ufffd text", "more\nend")


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\ufeff", "\x00"])
def test_nothing_is_no_task(text: str) -> None:
    error = refused(text)
    assert "is empty" in str(error)
    assert error.hint


def test_too_much_text_is_refused_and_the_limit_named() -> None:
    for text in ("x" * (MAX_BYTES + 1), "ü" * (MAX_BYTES // 2 + 1)):
        assert "1 MB" in str(refused(text))
    assert parse_task("x " * (MAX_BYTES // 2), source="x").title.startswith("x x")
    late = "# T\n" + "line\n" * 6_000 + "## Acceptance criteria\n- a"
    assert "line 6002: acceptance criteria after more than 5,000 lines" in str(refused(late))


def test_standard_input() -> None:
    assert read_task("-", stdin=io.BytesIO("\ufeff# Größe\n".encode())).title == "Größe"
    with pytest.raises(InputError, match="standard input is empty"):
        read_task("-", stdin=io.BytesIO())


def test_what_is_a_path_and_what_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_task("Fix a/b.md now").title == "Fix a/b.md now"
    assert read_task("login").title == "login"
    for argument in ("login.md", "TASK.JSON", "a/b", "./login"):
        with pytest.raises(InputError, match="there is no file") as caught:
            read_task(argument)
        check_error(caught.value)
    (tmp_path / "task").write_text('{"title": "a", "body": ""}')
    assert read_task("./task").title == "a"
    (tmp_path / "task.md").write_text('{"title": "a", "body": ""}')
    assert read_task("task.md").title.startswith("{")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("https://github.com/o/r/issues/1", "is an address"),
        ("/" + "x" * 5_000, "cannot be read: file name too long"),
        ("a/\0", "cannot be read"),
        ("a/\ud800", "cannot be read"),
        ("a/\u202e\x1b[31m", "there is no file"),
    ],
)
def test_names_that_no_file_has(argument: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_task(argument)
    check_error(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is binary"),
        ("# Größe\nmore".encode("latin-1"), "not UTF-8 text: byte 0xf6 in line 1"),
        ("# Task\n".encode("utf-16"), "UTF-16 text"),
        ("# Task\nlonger".encode("utf-16-le"), "UTF-16LE text"),
        ("# Task\nlonger".encode("utf-16-be"), "UTF-16BE text"),
        ("# Task\n".encode("utf-32"), "UTF-32 text"),
        (b"x" * 5_000_000, "1 MB"),
    ],
)
def test_files_that_hold_no_text(tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "task.md"
    file.write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_task(str(file))
    check_error(caught.value)
    assert caught.value.hint


def test_a_directory_and_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="is a directory"):
        read_task(f"{tmp_path}/")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match="may not be read"):
        read_task("a/b.md")


def check_any(text: str, form: object = None) -> None:
    try:
        task = parse_task(text, source="x", form=form)  # type: ignore[arg-type]
    except InputError as error:
        check_error(error)
    else:
        assert isinstance(task, Task)
        assert 0 < len(task.title) <= 300
        assert "\n" not in task.title
        task.model_dump_json()


PIECES = "#|##|acceptance criteria|:|**|- |[ ] |1. |\n|\n\n|  |```|<!--|-->|> |a|---\n|labels|priority|: |&a |*a|[|{|]"
MARKDOWN = st.lists(
    st.sampled_from([*PIECES.split("|"), '"title"', ",", "}", "\ud800", "\x1b[", "\u202e", "==="]), max_size=40
).map("".join)


@given(text=st.text(st.characters(), max_size=300) | MARKDOWN, form=st.sampled_from([None, "markdown", "json", "text"]))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_task_or_an_input_error(text: str, form: object) -> None:
    check_any(text, form)


@given(front=MARKDOWN | st.text(max_size=100))
@settings(max_examples=300, deadline=None)
def test_any_front_matter_is_a_task_or_an_input_error(front: str) -> None:
    check_any(f"---\n{front}\n---\n# T")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["title", "body", "labels", "name", "x"]), inner),
)


@given(value=JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_is_a_task_or_an_input_error(value: object) -> None:
    check_any(json.dumps(value), "json")


@given(data=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_task_or_an_input_error(data: bytes) -> None:
    try:
        read_task("-", stdin=io.BytesIO(data))
    except InputError as error:
        check_error(error)


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![[",
        "> ",
        "- ",
        "1) 2) 3) 4) a\n",
        "- a\n",
        "_*",
        "<!--",
        "`",
        "\u200b",
        " ",
        "\x1b[",
        "# a\n",
        "{",
        "&a ",
    ],
)
@pytest.mark.parametrize("start", ["", "# T\n\n## Acceptance criteria\n", "---\n"])
@pytest.mark.timeout(60)  # seconds in truth, and coverage slows each line down; a quadratic pattern takes minutes
def test_a_megabyte_of_anything_ends_soon(start: str, piece: str) -> None:
    text = (start + piece * MAX_BYTES)[: MAX_BYTES // 4 if piece == "\u200b" else MAX_BYTES]
    check_any(text)
