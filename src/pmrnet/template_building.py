"""An unbiased template of several brains, by registrations with the network.

Joshi, Guimond and Avants' way, in the logarithms of the deformations. With T the template and
v_i the velocity that registers brain i to it, moved_i(p) = brain_i(exp(v_i)(p)):

- the mean velocity m = mean(v_i) is what T's shape differs from the mean shape by;
- the next T is the mean of brain_i o exp(v_i) o exp(-m), each brain interpolated once.

A bias that the network has in every registration to T is part of all v_i and of m, and so cancels:
m tends to that bias, to 0 for a network without one, and T to a fixed image. No shape of a brain,
and not that of ICBM152, is preferred; place, size and shear remain those of ICBM152, to which the
brains are aligned by affine maps.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from pmrnet.aligned_brain import AlignedBrain
from pmrnet.brain_files import BrainFiles, align_files
from pmrnet.composition import Placement, native_displacement
from pmrnet.data.prepared import write_json
from pmrnet.data.template import Grid, network_grid
from pmrnet.data.volume import load_array, save_array, save_image
from pmrnet.errors import InputError
from pmrnet.folder_lock import LOCK, folder_lock
from pmrnet.network_field import FieldModel
from pmrnet.provenance import collect
from pmrnet.registration import DEFAULT_WEIGHTS
from pmrnet.template_average import BrainMean, compose
from pmrnet.template_subjects import TemplateSubject
from pmrnet.transforms import DenseTransform, write
from pmrnet.weights.passes import Passes, told_passes

#: hidden folder of what is needed to go on, removed at the end
WORK = ".work"
RECORD = "template.json"
#: in `WORK`: what the template is built of; without it, what is there is of nobody
IDENTITY = "identity.json"
_KINDS = ("forward", "inverse")

# Raise when the same inputs would give another template than before.
_FORMAT = 2


def build_template(
    subjects: Sequence[TemplateSubject],
    out: str | PathLike,
    *,
    iterations: int = 4,
    weights: str | PathLike = DEFAULT_WEIGHTS,
    passes: Passes | None = None,
    strip: bool = False,
    overwrite: bool = False,
    shape: tuple[int, int, int] = (160, 192, 160),
    console: Console | None = None,
) -> Path:
    """Build a template; called again, it goes on with the brain at which it was stopped.

    Parameters
    ----------
    subjects
        From `pmrnet.template_subjects.list_subjects`.
    out
        Folder for ``template.nii.gz`` (float32 in [0, 1], RAS+ at 1 mm in ICBM152 space),
        ``subjects/<name>/forward.nii.gz`` and ``inverse.nii.gz``, which resample the brain onto
        the template and the other way round (ITK's format), and ``template.json``: provenance and,
        for every iteration, the mean and largest displacement in mm by the mean velocity
        (``bias_mean_mm``; what remains of it when it no longer falls is the network's own), the
        brains' mean displacement, the change of the template (``change_rms``, root mean square,
        intensities in [0, 1], which tends to 0) and the intensities' standard deviation across
        brains.
    iterations
        Registrations of every brain.
    weights, passes, strip
        As in `pmrnet.register`.
    overwrite
        Replace another template in the folder.
    shape
        Voxels of the template's grid.
    console
        Where progress goes; the standard error if None.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    InputError
        If a brain, the weights or the folder cannot be used, or another process builds a template
        in it.
    """
    from pmrnet import network_field

    if iterations < 1:
        raise InputError(f"Iterations: expected 1 or more, found {iterations}; give a number.")
    out, console = Path(out), console or Console(file=sys.stderr)
    model = network_field.load_field_model(weights, passes=passes)
    files = {s.name: BrainFiles.read(s.image, s.mask, strip) for s in subjects}
    identity = {
        "format": _FORMAT,
        "subjects": {name: dict(brain.checksums) for name, brain in files.items()},
        "weights_sha256": model.description["sha256"],
        "shape": list(shape),
    }
    identity |= told_passes(model.description)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder for the results, found a file; rename it.")
    with folder_lock(out, "template building"):
        if _is_done(out, identity, iterations, overwrite):
            _remove_work(out / WORK)
            console.print(f"{out}: this template is there already")
        else:
            _build(out, files, iterations, overwrite, model, identity, console)
    return out


def _build(
    out: Path,
    files: Mapping[str, BrainFiles],
    iterations: int,
    overwrite: bool,
    model: FieldModel,
    identity: Mapping[str, Any],
    console: Console,
) -> None:
    """Build the template of the brains in `files`, by name, and write it to `out`."""
    work, shape = out / WORK, tuple(identity["shape"])
    if work.is_dir() and not (work / IDENTITY).is_file():
        shutil.rmtree(work)  # of an earlier template, half removed
    _check_begun(work, iterations, overwrite)
    write_json(work / IDENTITY, identity)
    grid = network_grid(1, shape)
    placements, described = {}, {}
    for name, brain in track(files.items(), "aligning", console=console):
        aligned = align_files(brain, work / "alignments", shape)
        save_array(work / "images" / f"{name}.npy", aligned.network_image)
        placements[name], described[name] = aligned.placement, _described(brain, aligned)
    figures = [_first_mean(work, list(files))]
    for number in range(1, iterations + 1):
        figures.append(_iterate(work, number, list(files), model, console))
        done = figures[-1]
        console.print(
            f"iteration {number}: mean velocity moves by {done['bias_mean_mm']:.3f} mm, brains by "
            f"{done['displacement_mean_mm']:.2f} mm, spread {done['spread']:.4f}"
        )
    record = {
        "iterations": iterations,
        "figures": figures[1:],
        "spread_affine": figures[0]["spread"],
        "subjects": described,
        "identity": identity,
        "provenance": _provenance(model, identity, iterations),
    }
    _publish(out, grid, placements, iterations, model, record, console)


def _described(files: BrainFiles, aligned: AlignedBrain) -> dict[str, Any]:
    """What the record says of a brain."""
    record = {"file": files.image.name, "template_overlap": round(aligned.overlap, 6)}
    if (stripped := aligned.source.stripped) is not None:
        record["stripped"] = {"tool": stripped.tool, "version": stripped.version}
    return record


def _is_done(out: Path, identity: Mapping[str, Any], iterations: int, overwrite: bool) -> bool:
    """Whether the template is there; refuses a folder of something else."""
    finished, started = _record(out), _read_json(out / WORK / IDENTITY)
    if finished and (finished["identity"], finished["iterations"]) == (identity, iterations):
        return True
    foreign = any(path.name != LOCK for path in out.iterdir()) and not (finished or started)
    # A finished one beside a started one: --overwrite was said when that was started.
    other = started != identity if started else finished is not None
    if foreign or (other and not overwrite):
        found, advice = "other files", "give another"
        if not foreign:
            found = "a template of other brains, weights or settings"
            advice = "give another, or say --overwrite"
        raise InputError(f"{out}: expected a new or empty folder, found {found}; {advice}.")
    if other:
        _remove_work(out / WORK)
    return False


def _remove_work(work: Path) -> None:
    """Remove what a template is built from, or begin to: what is left then is of nobody."""
    (work / IDENTITY).unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)


def _record(out: Path) -> dict[str, Any] | None:
    """Record of a template in the folder; a file of that name by somebody else is none."""
    record = _read_json(out / RECORD)
    keys = {"identity", "iterations", "subjects"}
    return record if isinstance(record, dict) and record.keys() >= keys else None


def _remove_published(out: Path) -> None:
    """Remove the transforms of an earlier template; whatever else is beside them stays."""
    for name in (_record(out) or {"subjects": ()})["subjects"]:
        folder = out / "subjects" / name
        for kind in _KINDS:
            (folder / f"{kind}.nii.gz").unlink(missing_ok=True)
        for empty in (folder, folder.parent):
            with suppress(OSError):
                empty.rmdir()


def _check_begun(work: Path, iterations: int, overwrite: bool) -> None:
    """Refuse to end before the iteration that was begun: what is needed for that is gone."""
    begun = max(
        (int(p.name.removeprefix("iteration-")) for p in work.glob("iteration-*")), default=0
    )
    if begun > iterations and not overwrite:
        raise InputError(
            f"{work.parent}: expected {begun} iterations or more, as many as were begun there, "
            f"found {iterations}; give more, or say --overwrite to start again."
        )
    if begun > iterations:
        _remove_work(work)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _first_mean(work: Path, names: Sequence[str]) -> dict[str, float]:
    """Mean of the aligned brains: the template that iteration 1 starts from."""
    folder = work / "iteration-0"
    if (figures := _read_json(folder / "figures.json")) is None:
        mean = BrainMean()
        for name in names:
            mean.add(load_array(work / "images" / f"{name}.npy"))
        save_array(folder / "template.npy", mean.image())
        figures = {"spread": mean.spread()}
        write_json(folder / "figures.json", figures)
    return figures


def _iterate(
    work: Path, number: int, names: Sequence[str], model: FieldModel, console: Console
) -> dict[str, float]:
    """Template `number` from the one before, and what is to be said of the step."""
    folder = work / f"iteration-{number}"
    # Written last, so that the step is complete if it is there.
    if (figures := _read_json(folder / "figures.json")) is not None:
        return figures
    template = load_array(work / f"iteration-{number - 1}" / "template.npy")
    for name in track(names, f"iteration {number}", console=console):
        if not (path := _velocity(folder, name)).is_file():
            image = load_array(work / "images" / f"{name}.npy")
            save_array(path, model.field(image, template).velocity)
    mean_velocity = _mean_velocity(folder, names)
    correction = model.displacement(-mean_velocity)
    mean, lengths = BrainMean(), []
    brain = template > 0
    for name in names:
        u = compose(model.displacement(load_array(_velocity(folder, name))), correction)
        mean.add(load_array(work / "images" / f"{name}.npy"), u)
        lengths.append(_length(u, brain).mean())
    result, bias = mean.image(), _length(model.displacement(mean_velocity), brain)
    figures = {
        "bias_mean_mm": float(bias.mean()),
        "bias_max_mm": float(bias.max()),
        "displacement_mean_mm": float(np.mean(lengths)),
        "change_rms": float(np.sqrt(np.mean((result - template)[brain | (result > 0)] ** 2))),
        "spread": mean.spread(),
    }
    save_array(folder / "template.npy", result)
    write_json(folder / "figures.json", figures)
    # Only the last iteration's are needed again.
    shutil.rmtree(_velocity(work / f"iteration-{number - 1}").parent, ignore_errors=True)
    return figures


def _velocity(folder: Path, name: str = "") -> Path:
    """File of a brain's velocity in the folder of an iteration."""
    return folder / "velocities" / f"{name}.npy"


def _mean_velocity(folder: Path, names: Sequence[str]) -> NDArray:
    total = sum(load_array(_velocity(folder, name)).astype(np.float64) for name in names)
    return (total / len(names)).astype(np.float32)


def _length(u: NDArray, brain: NDArray) -> NDArray:
    """Lengths in the brain; a voxel of the grid is 1 mm."""
    return np.linalg.norm(u[brain], axis=-1)


def _publish(
    out: Path,
    grid: Grid,
    placements: Mapping[str, Placement],
    iterations: int,
    model: FieldModel,
    record: Mapping[str, Any],
    console: Console,
) -> None:
    """Write the results of the last iteration, their record last."""
    folder = out / WORK / f"iteration-{iterations}"
    mean_velocity = _mean_velocity(folder, list(placements))  # before anything is removed
    _remove_published(out)
    (out / RECORD).unlink(missing_ok=True)
    template = Placement(grid.affine, grid.shape, np.eye(4))
    correction, bias = (model.displacement(sign * mean_velocity) for sign in (-1, 1))
    for name, placed in track(placements.items(), "writing", console=console):
        # On a network's disk, a file that is still mapped could not be removed below.
        velocity = load_array(_velocity(folder, name), mmap=False)
        forward = compose(model.displacement(velocity), correction)
        inverse = compose(bias, model.displacement(-velocity))
        ways = (template, placed, forward), (placed, template, inverse)
        for kind, (fixed, moving, u) in zip(_KINDS, ways, strict=True):
            transform = DenseTransform(native_displacement(fixed, moving, u), fixed.affine)
            write(transform, out / "subjects" / name / f"{kind}.nii.gz", overwrite=True)
    save_image(
        out / "template.nii.gz", load_array(folder / "template.npy", mmap=False), grid.affine
    )
    write_json(out / RECORD, record)
    _remove_work(out / WORK)


def _provenance(model: FieldModel, identity: Mapping[str, Any], iterations: int) -> dict[str, Any]:
    description = model.description
    training = description.get("training", {})
    return collect(
        {
            "network": description["network"],
            "spacing": description["spacing"],
            "iterations": iterations,
        },
        {"weights": description["weights"], "subjects": identity["subjects"]},
        training.get("seed"),
        training.get("steps"),
        description["sha256"],
    )
