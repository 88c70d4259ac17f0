import json
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import pmrnet
from pmrnet.provenance import canonical_json, collect, git_state, sha256_of


def record(config=None, data=None, **more):
    return collect(config or {"steps": 3}, data or {"name": "tiny"}, 7, 100, "ab" * 32, **more)


def test_what_is_recorded(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = record()
    assert found["package"] == f"pmrnet {pmrnet.__version__}"
    assert found["python"] == platform.python_version()
    assert found["packages"]["numpy"] == np.__version__
    assert found["packages"]["keras"] == metadata.version("keras")
    assert set(found["packages"]) == {"numpy", "tensorflow", "keras", "jax"}
    assert found["backend"] == "tensorflow"
    assert found["config"] == {"steps": 3}
    assert found["config_sha256"] == sha256_of({"steps": 3})
    assert found["data"] == {"name": "tiny"}
    assert (found["seed"], found["steps"], found["weights_sha256"]) == (7, 100, "ab" * 32)
    assert found["machine"]["cpu"]
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["memory_gib"] > 0.1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["created"])
    assert json.loads(json.dumps(found)) == found


def test_backend_and_accelerator_are_what_they_are_said_to_be(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    found = record(accelerator="Some GPU")
    assert found["backend"] == "jax"
    assert found["machine"]["accelerator"] == "Some GPU"


def test_the_backend_may_come_from_keras_own_settings(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text('{"backend": "jax"}')
    assert record()["backend"] == "jax"


def test_a_missing_package_is_none(monkeypatch):
    def version(name):
        if name == "jax":
            raise metadata.PackageNotFoundError
        return "1"

    monkeypatch.setattr(metadata, "version", version)
    assert record()["packages"]["jax"] is None
    assert record()["packages"]["keras"] == "1"


def test_paths_and_names_of_the_machine_are_left_out():
    config = {
        "data": "/home/somebody/volumes/lpba40",
        "more": ["~/weights/a.h5", Path("/srv/b.h5"), r"C:\Users\somebody\c.h5", "runs/d.h5"],
        "rate": np.float32(0.5),
        3: (1, None, True),
    }
    found = record(config)
    assert found["config"] == {
        "data": "lpba40",
        "more": ["a.h5", "b.h5", "c.h5", "runs/d.h5"],
        "rate": 0.5,
        "3": [1, None, True],
    }
    elsewhere = config | {"data": "/mnt/lpba40"}
    assert record(elsewhere)["config_sha256"] == found["config_sha256"]
    keys = {"system", "cpu", "cores", "memory_gib", "accelerator"}
    assert set(found["machine"]) == keys  # no host, no user


def test_nothing_here_imports_a_framework():
    modules = (
        "files protocol metrics label_warp scoring partial_result results evaluation summary "
        "tables provenance"
    )
    code = (
        "import importlib, sys\n"
        f"for name in {modules.split()}: importlib.import_module('pmrnet.' + name)\n"
        "print([m for m in ('tensorflow', 'keras', 'jax', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# -- git


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    sources = tmp_path / "src"
    sources.mkdir()
    (sources / "a.py").write_text("1")
    (tmp_path / ".gitignore").write_text("*.pyc\nvenv/\n")
    git(tmp_path, "init", "-q")
    return tmp_path


def test_git_state_follows_the_checkout(checkout, monkeypatch):
    sources = checkout / "src"
    unknown = {"commit": "unknown", "dirty": "unknown"}
    assert git_state(sources) == unknown  # nothing is tracked
    git(checkout, "add", ".")
    assert git_state(sources) == unknown  # no commit
    git(checkout, "commit", "-q", "-m", "x")
    commit = git(checkout, "rev-parse", "HEAD")
    assert git_state(sources) == {"commit": commit, "dirty": False}
    (checkout / "results.csv").write_text("results beside the sources do not make them dirty")
    (sources / "a.pyc").write_text("ignored")
    assert git_state(sources) == {"commit": commit, "dirty": False}
    monkeypatch.setenv("GIT_DIR", str(checkout / "nowhere"))  # as inside a hook
    assert git_state(sources)["commit"] == commit
    monkeypatch.delenv("GIT_DIR")
    (sources / "a.py").write_text("2")
    assert git_state(sources) == {"commit": commit, "dirty": True}
    git(checkout, "checkout", "-q", ".")
    (sources / "new.py").write_text("untracked")
    assert git_state(sources) == {"commit": commit, "dirty": True}


def test_an_installed_package_is_not_given_the_commit_of_the_folder_around_it(checkout):
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "x")
    installed = checkout / "venv" / "pmrnet"
    installed.mkdir(parents=True)
    (installed / "a.py").write_text("1")
    assert git_state(installed) == {"commit": "unknown", "dirty": "unknown"}


def test_without_git_the_state_is_unknown(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert git_state(checkout / "src") == {"commit": "unknown", "dirty": "unknown"}


def test_an_archive_knows_its_commit(checkout, tmp_path_factory):
    placeholder = Path(pmrnet.__file__).with_name(".git_archival.txt")
    (checkout / "src" / "pmrnet").mkdir()
    shutil.copy(placeholder, checkout / "src" / "pmrnet")
    shutil.copy(Path(__file__).parents[1] / ".gitattributes", checkout)
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "x")
    archive = tmp_path_factory.mktemp("archive")
    git(checkout, "archive", "--output", str(archive / "a.tar"), "HEAD")
    shutil.unpack_archive(archive / "a.tar", archive, filter="data")
    commit = git(checkout, "rev-parse", "HEAD")
    assert git_state(archive / "src" / "pmrnet") == {"commit": commit, "dirty": "unknown"}
    # The placeholder of a mere copy is no commit.
    shutil.copy(placeholder, archive / "src" / "pmrnet")
    assert git_state(archive / "src" / "pmrnet")["commit"] == "unknown"


# -- hashes


def test_hashes_depend_on_content_alone():
    assert canonical_json({"b": [1, 2], "a": None}) == '{"a":null,"b":[1,2]}'
    assert sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2, "a": 1})
    assert sha256_of({"a": 1}) != sha256_of({"a": 2})
    assert sha256_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
