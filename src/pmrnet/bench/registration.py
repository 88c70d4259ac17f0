"""What a user waits for: `pmrnet register` and `pmrnet batch`, from files on disk to all outputs.

    python -m pmrnet.bench.registration one.nii.gz other.nii.gz third.nii.gz

Cold, each pair of neighbours in the list is registered by a process of its own, which imports,
loads and compiles everything anew; `batch` takes all ordered pairs in one process.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pmrnet.bench.exit_status import exit_status
from pmrnet.bench.report import store
from pmrnet.errors import InputError
from pmrnet.image_files import open_image
from pmrnet.provenance import collect

_COMMAND = (sys.executable, "-m", "pmrnet")
_WAYS: Mapping[str, tuple[str, ...]] = {
    "all but the report": ("--no-report",),
    "with report": (),
    "with report, `--weights lpba40-general-1mm`": ("--weights", "lpba40-general-1mm"),
    "with report, `--refine`": ("--refine",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pmrnet.bench.registration",
        description="Time `pmrnet register` in new processes, and `pmrnet batch`.",
    )
    parser.add_argument("brains", nargs="+", type=Path, help="three skull-stripped images or more")
    parser.add_argument(
        "--output", type=Path, default=Path("experiments/bench"), help="folder of the results"
    )
    options = parser.parse_args(arguments)
    return exit_status(run, options.brains, options.output)


def run(brains: Sequence[Path], output: Path) -> None:
    """Time both and write `registration.json` and `registration.md`.

    Parameters
    ----------
    brains
        Image files, three or more.
    output
        Folder of the two files.

    Raises
    ------
    InputError
        If there are too few images, one is missing, or a registration fails.
    """
    if len(brains) < 3:
        raise InputError(f"expected three images or more, found {len(brains)}; name more.")
    missing = [str(path) for path in brains if not path.is_file()]
    if missing:
        raise InputError(f"expected images, found no file {', '.join(missing)}; check the paths.")
    images = {path.parent.name + "/" + path.name: list(open_image(path).shape) for path in brains}
    pairs = list(zip(brains, [*brains[1:], brains[0]], strict=True))
    load = {"before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        cold: dict[str, list[dict[str, float]]] = {way: [] for way in _WAYS}
        for moving, fixed in pairs:
            for way, flags in _WAYS.items():
                out = str(Path(folder) / "out")
                command = ["register", str(moving), str(fixed), "-o", out, "--overwrite", *flags]
                cold[way].append(timed([*_COMMAND, *command]))
        batch = {
            way: _batch(brains, Path(folder), f"batch{number}", flags)
            for number, (way, flags) in enumerate(_WAYS.items())
        }
    load["after"] = os.getloadavg()[0]
    provenance = collect({}, {"images": images}, seed=None, steps=None, weights_sha256=None)
    results = {"provenance": provenance, "load": load, "cold": cold, "batch": batch}
    print(store(output, "registration", results, markdown))


def timed(command: Sequence[str]) -> dict[str, float]:
    """Run a command: its `wall` and `cpu` seconds, and the peak of its memory, `gib`.

    Linux lets a process begin with the peak of the one that starts it, so this one is to be small.

    Raises
    ------
    InputError
        If it fails.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        if process.returncode:
            said.seek(0)
            raise InputError(
                f"{' '.join(command)}: expected it to work, found the exit status "
                f"{process.returncode}: {said.read().decode(errors='replace').strip()}"
            )
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss: bytes on macOS, else KiB
    return {
        "wall": round(wall, 2),
        "cpu": round(usage.ru_utime + usage.ru_stime, 2),
        "gib": round(usage.ru_maxrss * unit / 2**30, 2),
    }


def _batch(brains: Sequence[Path], folder: Path, name: str, flags: Sequence[str]) -> dict[str, Any]:
    """`timed` of all ordered pairs, and the seconds of each, the first one's compiling in it."""
    table = folder / "pairs.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["moving", "fixed", "name"])
        for number, (moving, fixed) in enumerate(itertools.permutations(brains, 2)):
            writer.writerow([moving.resolve(), fixed.resolve(), f"pair{number}"])
    out = folder / name
    found = timed([*_COMMAND, "batch", str(table), "-o", str(out), *flags])
    with (out / "results.csv").open(newline="", encoding="utf-8") as stream:
        return {**found, "seconds": [float(row["seconds"]) for row in csv.DictReader(stream)]}


def markdown(results: Mapping[str, Any]) -> str:
    """Table of medians, and of the largest memory.

    Parameters
    ----------
    results
        As written to `registration.json`.
    """
    record, load = results["provenance"], results["load"]
    machine, shapes = record["machine"], record["data"]["images"].values()
    lines = [
        f"Measured on {machine['cores']} cores of {machine['cpu']}, CPU only, "
        f"{record['created'][:10]}, commit {record['git']['commit'][:9]}: images of "
        f"{', '.join(sorted({'x'.join(map(str, shape)) for shape in shapes}))} voxels, from the "
        "files on disk to all outputs on disk, uncertainty included. Cold: a new process for every "
        "pair; medians. Batch: one process, median of the pairs after the first, in which it "
        "compiles; brains are aligned once. Memory is the largest of a process. Load average of "
        f"the machine before and after: {load['before']:.1f}, {load['after']:.1f}.",
        "",
        "| | pairs | seconds a pair | CPU seconds a pair | memory |",
        "|---|---:|---:|---:|---:|",
    ]
    for way, times in results["cold"].items():
        middle = {key: statistics.median(t[key] for t in times) for key in ("wall", "cpu")}
        lines.append(
            f"| `register`, cold, {way} | {len(times)} | {middle['wall']:.1f} | "
            f"{middle['cpu']:.1f} | {max(t['gib'] for t in times):.1f} GiB |"
        )
    for way, of in results["batch"].items():
        count = len(of["seconds"])
        lines.append(
            f"| `batch`, {way} | {count} | {statistics.median(of['seconds'][1:]):.1f} | "
            f"{of['cpu'] / count:.1f} | {of['gib']:.1f} GiB |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
