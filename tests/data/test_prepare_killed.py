"""The preparation killed at any moment: nothing half-written, and the same result in the end."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from small_brains import SETTINGS, SHAPE, small_brain, write_subject

from pmrnet.data import alignment
from pmrnet.data.prepare import prepare_subject

TESTS = Path(__file__).parent


def test_killed_while_writing(tmp_path, monkeypatch):
    """SIGKILL in the middle of a write leaves nothing that looks complete."""
    files = write_subject(tmp_path / "raw")
    script = f"""
import os, signal, numpy as np
from pathlib import Path
from pmrnet.data import alignment, prepare, volume
from pmrnet.data.subject_files import SubjectFiles
def half(stream, data, **_):
    stream.write(b"half"); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)
volume.np.save = half
alignment.estimate_affine = lambda *_, **__: np.eye(4)
settings = prepare.PrepareSettings(shape={SHAPE})
files = SubjectFiles(Path({str(files.image)!r}))
prepare.prepare_subject("S01", files, {str(tmp_path / "out")!r}, settings)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    folder = tmp_path / "out" / "S01"
    (left,) = folder.glob(".*")
    assert left.name.endswith("image.npy")
    assert [p.name for p in folder.glob("[!.]*")] == ["affine.json"]
    os.utime(left, (time.time() - 7200,) * 2)
    monkeypatch.setattr(alignment, "estimate_affine", lambda *_, **__: np.eye(4))
    prepare_subject("S01", files, tmp_path / "out", SETTINGS)
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["affine.json", "image.npy", "subject.json"]


def contents(folder):
    """Checksums of all files but the temporary ones that a kill leaves behind."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_random_and_started_again(tmp_path, processes):
    names = [f"S{i:02d}" for i in range(1, 7)]
    for i, name in enumerate(names):
        write_subject(tmp_path / "raw", name, small_brain() * (1 + 0.1 * i))
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from small_brains import SETTINGS
from pmrnet.data.lpba40 import find_subjects
from pmrnet.data.prepare import prepare_dataset

if __name__ == "__main__":
    subjects = find_subjects({str(tmp_path / "raw")!r})
    print("begun", flush=True)
    prepare_dataset(subjects, sys.argv[1], SETTINGS, processes={processes})
""")

    def start(out):
        process = subprocess.Popen(
            [sys.executable, script, out], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        process.stdout.readline()
        return process

    assert start(tmp_path / "whole").wait() == 0
    whole = contents(tmp_path / "whole")
    assert len(whole) == 3 * len(names) + 1

    def done():
        return list((tmp_path / "out").glob("*/subject.json"))

    draw = random.Random(7)
    # By what is done rather than by the clock, so that the speed of the machine does not matter.
    for count in (0, 1, 3):
        process = start(tmp_path / "out")
        while len(done()) < count and process.poll() is None:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.05))
        process.kill()
        process.wait()
        assert count <= len(done()) < len(names)
        for path in done():  # what says that it is complete is
            assert (
                contents(path.parent).items()
                <= contents(tmp_path / "whole" / path.parent.name).items()
            )
    assert start(tmp_path / "out").wait() == 0
    assert contents(tmp_path / "out") == whole
