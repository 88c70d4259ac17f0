"""The stored results as a table for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pmrnet.files import atomic_write_text

NAMES = {
    "pmrnet": "PMR-Net (this package)",
    "voxelmorph-miccai2018": "VoxelMorph 0.2, MICCAI-2018 settings",
    "voxelmorph-2018-strided": "VoxelMorph's 2018 network (stride 2), on 0.2's layers",
    "voxelmorph-default": "VoxelMorph 0.2, default",
}
TASK_NAMES = {
    "registration": "registration",
    "training": "training step",
    "integration": "integration, half resolution",
    "integration_gradient": "the same with gradient",
    "warp": "warp, full resolution",
    "warp_gradient": "the same with gradient",
}


def store(
    output: Path, name: str, results: Mapping[str, Any], table: Callable[[Mapping[str, Any]], str]
) -> str:
    """Write results as `<name>.json` and their table as `<name>.md`; returns the table.

    Parameters
    ----------
    output
        Folder of the files.
    name
        Of both, without ending.
    results
        JSON types.
    table
        Makes the Markdown of them.
    """
    atomic_write_text(output / f"{name}.json", json.dumps(results, indent=1) + "\n")
    text = table(results)
    atomic_write_text(output / f"{name}.md", text)
    return text


def markdown(results: Mapping[str, Any]) -> str:
    """A table per shape: seconds and, in brackets, how many times ours.

    Parameters
    ----------
    results
        As written to `results.json`: `provenance`, `load` and `measurements`.
    """
    machine = results["provenance"]["machine"]
    before, after = results["load"]["before"], results["load"]["after"]
    lines = [
        f"Measured on {machine['cores']} cores of {machine['cpu']}, float32, CPU only, "
        f"{results['provenance']['created'][:10]}, commit "
        f"{results['provenance']['git']['commit'][:9]}. Contenders took turns; medians of "
        f"{results['provenance']['config']['rounds']} rounds, and in brackets the median of the "
        "ratios to PMR-Net in the same round. Memory is the peak resident size of a fresh process "
        "(`ru_maxrss`), the imported libraries included. Load average of the machine before and "
        f"after: {before:.1f}, {after:.1f}.",
    ]
    for measurement in results["measurements"]:
        lines += ["", f"**{'x'.join(map(str, measurement['shape']))}**", "", *_table(measurement)]
    return "\n".join(lines) + "\n"


def _table(measurement: Mapping[str, Any]) -> list[str]:
    seconds, ratios = measurement["seconds"], measurement["ratios"]
    contenders = [name for name in NAMES if any(name in of for of in seconds.values())]
    rows = [["", *(NAMES[name] for name in contenders)]]
    for task, of in seconds.items():
        row = [TASK_NAMES[task]]
        for name in contenders:
            cell = f"{_seconds(of[name]['median'])} s" if name in of else ""
            if name in ratios[task]:
                cell += f" ({ratios[task][name]['median']:.1f}x)"
            row.append(cell)
        rows.append(row)
    memory = measurement["memory"]
    for key, label in (
        ("registration", "peak memory, registration"),
        ("training", "peak memory, training"),
        ("baseline", "of it the imported libraries"),
    ):
        if all(key in memory[name] for name in contenders):
            rows.append([label, *(f"{memory[name][key] / 2**30:.2f} GiB" for name in contenders)])
    rows.insert(1, ["---", *["---:"] * len(contenders)])
    return ["| " + " | ".join(row) + " |" for row in rows]


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
