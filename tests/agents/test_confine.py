import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from programs import living, wait_until
from repositories import write

from agents.workspace import Confined, Containment, Limits
from agents.workspace.confine import _environment, _readable, _works
from delegation import HandsRefused, WorkspaceError

PYTHON = sys.executable
ROOT = Path(__file__).resolve().parents[2]

ALL = [one for one in Containment if asyncio.run(_works(one))]
"""The ways of running that there are on this machine; bubblewrap's tests run where it is installed."""

CONTAINED = Containment.NAMESPACES in ALL


@pytest.fixture(params=ALL)
def confined(request: pytest.FixtureRequest) -> Confined:
    """Each way of running that there is."""
    return Confined(request.param)


@pytest.fixture
def contained() -> Confined:
    """The way that keeps a program from everything else."""
    if not CONTAINED:
        pytest.skip("no user namespaces on this machine")
    return Confined(Containment.NAMESPACES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "copy"
    made.mkdir()
    return made


def python(code: str) -> list[str]:
    return [PYTHON, "-c", textwrap.dedent(code)]


async def test_a_program_runs_in_the_copy_and_its_end_is_told(confined: Confined, folder: Path) -> None:
    write(folder, {"a.txt": "text"})
    code = """
        import sys
        print(open("a.txt").read())
        print("oops", file=sys.stderr)
        open("b.txt", "w").write("b")
        sys.exit(3)
    """
    ran = await confined.run(python(code), folder)
    assert (ran.status, ran.reason, ran.passed) == (3, None, False)
    assert sorted(ran.output.split()) == ["oops", "text"]
    assert ran.told().startswith("exit status 3, after ")
    assert (folder / "b.txt").read_text() == "b"
    assert (folder / "b.txt").stat().st_uid == os.getuid()


async def test_no_shell_reads_the_words(confined: Confined, folder: Path) -> None:
    words = ["$HOME", "`id`", "; touch x", "*", "a b", ""]
    ran = await confined.run([PYTHON, "-c", "import sys; print(sys.argv[1:])", *words], folder)
    assert ran.output.strip() == str(words)
    assert os.listdir(folder) == []  # noqa: PTH208


@pytest.mark.parametrize("command", ["ls -l", [], [""], ["a", 1], ["a\0"], ["x" * 200_000], None])
async def test_what_is_no_list_of_words_is_refused(folder: Path, command: object) -> None:
    with pytest.raises(HandsRefused):
        await Confined(Containment.NONE).run(command, folder)  # type: ignore[arg-type]


async def test_a_program_that_is_not_there_is_said(confined: Confined, folder: Path) -> None:
    if confined.containment is Containment.BUBBLEWRAP:  # which says so by itself
        assert "No such file" in (await confined.run(["no-such-program"], folder)).output
        return
    with pytest.raises(HandsRefused, match="no program 'no-such-program'") as caught:
        await confined.run(["no-such-program"], folder)
    assert caught.value.hint
    write(folder, {"script": "#!/bin/sh\n"})
    with pytest.raises(HandsRefused, match="Permission denied"):
        await confined.run(["./script"], folder)


async def test_the_signal_that_ended_a_program_is_in_its_status(confined: Confined, folder: Path) -> None:
    ran = await confined.run(python("import os, signal; os.kill(os.getpid(), signal.SIGTERM)"), folder)
    assert ran.status == 128 + signal.SIGTERM


async def test_the_environment_holds_no_secret_of_the_users(
    confined: Confined, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "SSH_AUTH_SOCK",
        "LD_PRELOAD",
        "PYTHONPATH",
    ):
        monkeypatch.setenv(name, "the-secret")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    ran = await confined.run(python("import os; print('\\n'.join(f'{k}={v}' for k, v in os.environ.items()))"), folder)
    assert "the-secret" not in ran.output
    names = {line.split("=")[0] for line in ran.output.splitlines()}
    assert {"PATH", "HOME", "LANG", "LC_TIME"} <= names
    assert not [name for name in names if "KEY" in name or "TOKEN" in name or "SOCK" in name]
    assert f"HOME={Path.home()}" not in ran.output


async def test_standard_input_is_empty_and_no_file_is_handed_down(confined: Confined, folder: Path) -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), sorted(map(int, os.listdir('/proc/self/fd')))[:5])"
    assert (await confined.run([PYTHON, "-c", code], folder)).output.strip() == "'' [0, 1, 2, 3]"


async def test_time_is_limited(confined: Confined, folder: Path) -> None:
    ran = await confined.run(
        python("import time; print('begun', flush=True); time.sleep(600)"), folder, Limits(time_s=1)
    )
    assert (ran.reason, ran.passed, ran.output) == ("time", False, "begun\n")
    assert ran.told().startswith("ended by the limit of time")


async def test_a_program_that_ignores_signals_ends_too(confined: Confined, folder: Path) -> None:
    code = """
        import signal, time
        for one in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(one, signal.SIG_IGN)
        time.sleep(600)
    """
    assert (await confined.run(python(code), folder, Limits(time_s=1))).reason == "time"


async def test_memory_is_limited_in_one_process(confined: Confined, folder: Path) -> None:
    ran = await confined.run(python("x = bytearray(1 << 30); print(len(x))"), folder, Limits(memory=256 << 20))
    assert not ran.passed
    assert str(1 << 30) not in ran.output


async def test_memory_is_limited_over_all_processes_together(confined: Confined, folder: Path) -> None:
    code = """
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                x = os.urandom(64 << 20)
                time.sleep(600)
        time.sleep(600)
    """
    ran = await confined.run(python(code), folder, Limits(memory=200 << 20, time_s=50))
    assert ran.reason == "memory"


async def test_the_number_of_processes_is_limited(confined: Confined, folder: Path) -> None:
    code = """
        import os, sys, time
        sign = sys.argv[1]
        for _ in range(400):
            try:
                if os.fork() == 0:
                    time.sleep(600)
            except OSError as error:
                print(error)
                sys.exit(7)
        time.sleep(600)
    """
    sign = f"sign-{os.getpid()}-{folder}"
    ran = await confined.run([*python(code), sign], folder, Limits(processes=32, time_s=50))
    # the superuser's processes are counted by the supervisor, everybody else's by the kernel
    assert (ran.reason, ran.status) in {("processes", 137), (None, 7)}
    assert not living(sign)


async def test_the_size_of_a_file_is_limited(confined: Confined, folder: Path) -> None:
    code = "f = open('big', 'wb')\nfor _ in range(64): f.write(bytes(1 << 20)); f.flush()"
    ran = await confined.run([PYTHON, "-c", code], folder, Limits(file_size=8 << 20))
    assert not ran.passed
    assert (folder / "big").stat().st_size <= 8 << 20


async def test_output_is_kept_from_both_ends(confined: Confined, folder: Path) -> None:
    code = "for at in range(100_000): print('line', at)"
    ran = await confined.run([PYTHON, "-c", code], folder, Limits(output=1000))
    assert ran.output.startswith("line 0\nline 1\n")
    assert ran.output.endswith("line 99999\n")
    assert "bytes are left out" in ran.output
    assert len(ran.output) < 1100
    assert ran.passed


async def test_a_flood_of_output_ends_a_program(confined: Confined, folder: Path) -> None:
    ran = await confined.run(
        ["/bin/sh", "-c", "while :; do echo flood; done"], folder, Limits(flood=1 << 20, time_s=50)
    )
    assert (ran.reason, ran.passed) == ("output", False)


async def test_output_that_is_no_text_is_made_harmless(confined: Confined, folder: Path) -> None:
    ran = await confined.run(python(r"import sys; sys.stdout.buffer.write(b'\xff\x00\x1b[31mred\r\n')"), folder)
    assert ran.output == "�[31mred\n"


STRAGGLERS = """
    import os, subprocess, sys, time
    sign = sys.argv[1]
    sleep = [sys.executable, "-c", "import time; time.sleep(600)", sign]
    subprocess.Popen(sleep)
    subprocess.Popen(sleep, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            subprocess.Popen(sleep, start_new_session=True, stdin=-1, stdout=-3, stderr=-3)
            os._exit(0)
        os._exit(0)
    os.wait()
    {end}
"""


@pytest.mark.parametrize("end", ["sys.exit(5)", "time.sleep(600)"])
async def test_nothing_of_a_program_lives_on(confined: Confined, folder: Path, end: str) -> None:
    sign = f"sign-{os.getpid()}-{folder}"
    ran = await confined.run([*python(STRAGGLERS.format(end=end)), sign], folder, Limits(time_s=4))
    assert (ran.status, ran.reason) in {(5, None), (137, "time")}
    assert not living(sign)


async def test_a_run_that_is_cancelled_leaves_nothing(confined: Confined, folder: Path) -> None:
    sign = f"sign-{os.getpid()}-{folder}"
    running = asyncio.create_task(
        confined.run([*python(STRAGGLERS.format(end="open('on', 'w').close(); time.sleep(600)")), sign], folder)
    )
    while not (folder / "on").exists():
        await asyncio.sleep(0.01)
        assert not running.done()
    assert living(sign)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not living(sign)


@pytest.mark.parametrize("victim", ["the whole process", "the supervisor"])
def test_nothing_lives_on_where_whoever_ran_it_is_killed(confined: Confined, folder: Path, victim: str) -> None:
    if victim == "the supervisor" and confined.containment is Containment.NONE:
        pytest.skip("nothing but a namespace ends with its supervisor")
    sign = f"sign-{os.getpid()}-{folder}"
    code = f"""
        import asyncio
        from pathlib import Path
        from agents.workspace import Confined, Containment
        words = {[*python(STRAGGLERS.format(end="open('on', 'w').close(); time.sleep(600)")), sign]!r}
        asyncio.run(Confined(Containment({confined.containment.value!r})).run(words, Path({str(folder)!r})))
    """
    driver = subprocess.Popen(python(code), cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_until((folder / "on").exists, timeout_s=30.0)
        assert len(living(sign)) >= 3
        if victim == "the whole process":
            driver.kill()
        else:
            next(one for one in psutil.Process(driver.pid).children() if one.cmdline()[-1].endswith("workspace")).kill()
        wait_until(lambda: not living(sign), timeout_s=30.0)
    finally:
        driver.kill()
        driver.wait()


# --- what a contained program is kept from


async def test_a_contained_program_sees_neither_home_nor_neighbours(
    contained: Confined, folder: Path, tmp_path: Path
) -> None:
    write(tmp_path, {"neighbour.txt": "secret"})
    paths = [str(tmp_path / "neighbour.txt"), str(Path.home() / ".profile"), "/etc/shadow", "/etc/hostname", "/var/log"]
    write(folder, {"a.txt": "x"})
    code = f"import os; print([os.path.exists(one) for one in {paths}], os.listdir('.'), os.getcwd(), os.getuid())"
    ran = await contained.run([PYTHON, "-c", code], folder)
    assert ran.output.strip() == f"{[False] * len(paths)} ['a.txt'] /workspace 1000"


async def test_a_contained_program_writes_nowhere_else(contained: Confined, folder: Path) -> None:
    code = """
        import os, sys
        for place in ("/", "/usr", "/etc", "/proc", "/dev", "/opt", sys.prefix, "/workspace/..", "/tmp", "/workspace"):
            try:
                open(place + "/new", "w").close()
            except OSError:
                continue
            print(place)
    """
    ran = await contained.run(python(code), folder)
    places = ran.output.split()
    assert places[-2:] == ["/tmp", "/workspace"]  # noqa: S108 - the one inside
    assert places[:-2] in ([], ["/dev"])  # a folder of devices of its own, in memory
    assert not os.path.exists("/tmp/new")  # noqa: ASYNC240, PTH110, S108 - the one outside


async def test_a_contained_program_has_no_network_but_its_own(contained: Confined, folder: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        code = f"""
            import socket
            try:
                socket.create_connection(("127.0.0.1", {listening.getsockname()[1]}), 5)
            except OSError as error:
                print("kept from", error.strerror)
            here = socket.create_server(("127.0.0.1", 0))
            socket.create_connection(here.getsockname(), 5)
            print("its own works", [name for _, name in socket.if_nameindex()])
        """
        ran = await contained.run(python(code), folder)
    assert ran.output == "kept from Connection refused\nits own works ['lo']\n"


async def test_a_contained_program_sees_no_process_but_its_own(contained: Confined, folder: Path) -> None:
    code = "import os; print(sorted(int(one) for one in os.listdir('/proc') if one.isdecimal()), os.getppid())"
    assert (await contained.run([PYTHON, "-c", code], folder)).output.strip() == "[1, 2] 1"


async def test_a_contained_program_has_no_rights_and_gets_none(contained: Confined, folder: Path) -> None:
    code = """
        import ctypes, os
        names = ("CapEff", "CapBnd", "NoNewPrivs")
        print([line.split()[1] for line in open("/proc/self/status") if line.startswith(names)])
        libc = ctypes.CDLL(None)
        print([libc.unshare(0x10000000), libc.mount(b"x", b"/tmp", b"tmpfs", 0, None), libc.umount2(b"/tmp", 2)])
    """
    ran = await contained.run(python(code), folder)
    assert ran.output.splitlines() == ["['0000000000000000', '0000000000000000', '1']", "[-1, -1, -1]"]


async def test_a_contained_program_ends_with_all_that_it_started_in_the_namespace(
    contained: Confined, folder: Path
) -> None:
    ran = await contained.run(["/bin/sh", "-c", "kill -9 1; kill -9 -1 2>/dev/null; echo still here"], folder)
    assert ran.output == "still here\n"  # neither reaches the first process, nor anything outside


async def test_a_folder_that_is_named_can_be_read_and_not_written(
    contained: Confined, folder: Path, tmp_path: Path
) -> None:
    write(tmp_path / "tools", {"tool.txt": "tool"})
    code = f"print(open({str(tmp_path / 'tools' / 'tool.txt')!r}).read()); open({str(tmp_path / 'tools' / 'x')!r}, 'w')"
    ran = await Confined(contained.containment, (str(tmp_path / "tools"),)).run([PYTHON, "-c", code], folder)
    assert ran.output.startswith("tool\n")
    assert "Read-only file system" in ran.output


def test_nobody_can_name_a_folder_that_holds_a_home() -> None:
    home = Path.home()
    assert not set(_readable(["/", str(home), str(home.parent), "~", "/no/such"])) & {"/", str(home), str(home.parent)}


def test_an_environment_that_is_activated_can_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path, {"venv/pyvenv.cfg": f"home = {tmp_path}/python/bin\nversion = 3.12\n", "python/bin/python": ""})
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    assert {str(tmp_path / "venv"), str(tmp_path / "python")} <= set(_readable([]))
    write(tmp_path, {"venv/pyvenv.cfg": f"home = {Path.home()}/bin\n"})
    assert str(Path.home()) not in _readable([])


def test_programs_are_looked_for_where_they_can_be_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{Path.home()}/.hidden/bin:/usr/bin:relative")
    path = _environment(_readable([]), contained=True, scratch=str(tmp_path))["PATH"].split(":")
    assert path == ["/usr/bin", str(Path(PYTHON).parent)]


async def test_the_best_way_is_chosen_and_told() -> None:
    best = await Confined.best()
    assert best.containment is (Containment.NONE if not CONTAINED else best.containment)
    assert ("not contained" in best.containment.told()) == (best.containment is Containment.NONE)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no other way to a process's files")
async def test_a_program_that_ends_its_supervisor_has_not_passed(tmp_path: Path) -> None:
    forge = (
        "import os, signal; to = os.getppid(); "
        "open(f'/proc/{to}/fd/2', 'w').write('{\"status\": 0, \"reason\": null}\\n'); os.kill(to, signal.SIGKILL)"
    )
    with pytest.raises(WorkspaceError, match="the supervisor of a program failed"):
        await Confined(Containment.NONE).run([sys.executable, "-c", forge], tmp_path)
