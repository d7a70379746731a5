"""A child process is watched, told apart from a ready one, and never outlives us."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from paywarden.adapters.local.process import ChildProcess
from paywarden.errors import EnvironmentNotReady

SERVER = """
import os, pathlib, signal, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: None if "stubborn" in sys.argv else sys.exit(0))
worker = subprocess.Popen(["sleep", "600"])
(folder / "pids.new").write_text(f"{os.getpid()} {worker.pid}")
(folder / "pids.new").rename(folder / "pids")
print("serving", flush=True)
while True:
    time.sleep(0.05)
"""


def server(folder, *options):
    return ChildProcess("The server", [sys.executable, "-c", SERVER, str(folder), *options], folder / "server.log")


def started(folder, *options):
    process = server(folder, *options)
    process.start()
    process.wait_until((folder / "pids").exists, 30)
    return process, [int(pid) for pid in (folder / "pids").read_text().split()]


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def gone(pids, within_seconds=10):
    deadline = time.monotonic() + within_seconds
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("way", ["stop", "kill"])
def test_the_server_and_its_workers_end(tmp_path, way):
    process, pids = started(tmp_path)
    assert process.running
    assert all(map(alive, pids))
    assert process.log_tail() == "serving"
    getattr(process, way)()
    assert not process.running
    assert gone(pids)
    getattr(process, way)()  # again does nothing


def test_a_stubborn_server_is_killed_after_its_grace(tmp_path):
    process, pids = started(tmp_path, "stubborn")
    began = time.monotonic()
    process.stop(grace_seconds=0.5)
    assert 0.5 <= time.monotonic() - began < 10
    assert gone(pids)


def test_it_can_be_started_again(tmp_path):
    process, first = started(tmp_path)
    process.kill()
    (tmp_path / "pids").unlink()
    process.start()
    process.wait_until((tmp_path / "pids").exists, 30)
    assert [int(pid) for pid in (tmp_path / "pids").read_text().split()] != first
    process.stop()


def test_a_server_that_ends_early_is_told_with_its_last_words(tmp_path):
    process = ChildProcess("The server", [sys.executable, "-c", "print('no luck'); exit(7)"], tmp_path / "log")
    process.start()
    with pytest.raises(EnvironmentNotReady, match=r"The server ended with status 7 .*\n(.*\n)*no luck"):
        process.wait_until(lambda: False, 30)


def test_a_server_that_never_gets_ready_is_killed(tmp_path):
    process, pids = started(tmp_path)
    with pytest.raises(EnvironmentNotReady, match="was not ready within 0 s and was killed"):
        process.wait_until(lambda: False, 0.2)
    assert gone(pids)


def test_a_command_that_does_not_exist_is_told(tmp_path):
    process = ChildProcess("The server", ["/no/such/program"], tmp_path / "log")
    process.start()
    with pytest.raises(EnvironmentNotReady, match="No such file"):
        process.wait_until(lambda: False, 30)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", "sys.exit(0)", "raise SystemError"])
def test_it_ends_with_us_however_we_end(tmp_path, end):
    ours = textwrap.dedent(f"""
        import os, sys, threading
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_process import started
        kept = []
        starter = threading.Thread(target=lambda: kept.extend(started(Path({str(tmp_path)!r}))))
        starter.start()  # a thread that ends before we do must not take the server along
        starter.join()
        assert kept[0].running
        {end}
    """)
    subprocess.run([sys.executable, "-c", ours], capture_output=True, timeout=60, check=False)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert gone(pids)


def test_a_fork_of_ours_leaves_it_alone(tmp_path):
    process, pids = started(tmp_path)
    process._owner = os.getpid() + 1  # as a forked worker sees it
    process.kill()
    process.stop()
    assert process.running
    assert all(map(alive, pids))
    process._owner = os.getpid()
    process.stop()
    assert gone(pids)
