"""A worker that is killed while another one is being started ends the pool: nobody waits for the new one."""

import os
import signal
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import popen_spawn_posix
from threading import Thread

import pytest

from lthbench.drive.workers import workers

PATIENCE = 60.0  # seconds


@pytest.fixture
def killed_while_the_next_one_starts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The first worker dies when the second one has been started and is not yet in the pool's books."""
    started: list[int] = []
    launch = popen_spawn_posix.Popen._launch

    def launch_and_kill(self: popen_spawn_posix.Popen, process: object) -> None:
        launch(self, process)
        started.append(self.pid)
        if len(started) == 2:
            os.kill(started[0], signal.SIGKILL)
            time.sleep(1.0)  # the pool notices, and ends those it knows

    monkeypatch.setattr(popen_spawn_posix.Popen, "_launch", launch_and_kill)
    return started


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_pool_ends(killed_while_the_next_one_starts: list[int]) -> None:
    errors: list[BaseException] = []

    def use() -> None:
        try:
            with workers(2) as pool:
                futures = [pool.submit(time.sleep, PATIENCE), pool.submit(time.sleep, PATIENCE)]
                for future in futures:
                    future.result()
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=use, daemon=True)
    began = time.monotonic()
    thread.start()
    thread.join(PATIENCE / 2)
    left = [pid for pid in killed_while_the_next_one_starts if os.path.exists(f"/proc/{pid}")]
    for pid in left:
        os.kill(pid, signal.SIGKILL)  # nothing outlives this test
    assert not left, f"workers are left after {time.monotonic() - began:.0f} s"
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [BrokenProcessPool]
