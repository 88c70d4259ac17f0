"""Workers of a process that is killed end, too."""

import subprocess
import sys
import time

import psutil
import pytest

SCRIPTS = {
    "own process": """
import sys, time
from pmrnet.own_process import in_own_process
if __name__ == "__main__":
    in_own_process(time.sleep, 600)
""",
    "batch": """
import sys, time
from pmrnet.data.batch import run_batch
if __name__ == "__main__":
    run_batch("sleeping", time.sleep, {"a": (600,), "b": (600,)}, processes=2)
""",
}


def workers_of(process):
    """Its workers, not the tracker of resources that multiprocessing starts beside them."""
    return [p for p in process.children() if "spawn_main" in " ".join(p.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCRIPTS)
def test_workers_end_with_a_parent_that_is_killed(tmp_path, kind):
    script = tmp_path / "script.py"
    script.write_text(SCRIPTS[kind])
    with subprocess.Popen([sys.executable, script], stderr=subprocess.DEVNULL) as process:
        parent, count = psutil.Process(process.pid), 2 if kind == "batch" else 1
        deadline = time.monotonic() + 60
        while len(workers := workers_of(parent)) < count and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(workers) == count
        # Until they have begun, they read from a pipe that ends with the parent.
        while min(w.num_threads() for w in workers) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        process.kill()
    gone, alive = psutil.wait_procs(workers, timeout=10)
    for worker in alive:
        worker.kill()
    assert len(gone) == count
