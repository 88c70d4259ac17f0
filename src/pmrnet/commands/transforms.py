"""What works on transforms: `apply`, `points`, `compose`, `inverse` and `jacobian`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pmrnet.commands.transform_images import (
    TransformImages,
    add_images,
    check_inverse_grid,
    labels_elsewhere,
    wrong_way,
)

if TYPE_CHECKING:
    import nibabel as nib

    from pmrnet.transforms import Grid

_TRANSFORM = "--transform"
_CHAIN = (
    "transform file, or folder of a registration; `inverse:` before it for the way back; several "
    "are a chain, the one nearest to the fixed image first"
)

_POINTS = (
    "Points go the other way than images: `--transform out/` takes points of the fixed image to "
    "the moving one, `--transform inverse:out/` points of the moving image to the fixed one."
)


def add_to(commands: argparse._SubParsersAction) -> None:
    """Add these commands to the parser."""
    apply = _add(commands, "apply", "move an image or a label map", _apply)
    apply.add_argument("image", type=Path)
    apply.add_argument(
        "--reference", type=Path, required=True, help="image that it is moved onto: the grid"
    )
    apply.add_argument("--labels", action="store_true", help="nearest neighbour, type kept")
    apply.add_argument("--fill", type=float, default=0.0, help="value outside the image (0)")

    points = _add(
        commands, "points", "move points or a surface (CSV, GIFTI, VTK)", _points, epilog=_POINTS
    )
    points.add_argument("points", type=Path)
    points.add_argument("--lps", action="store_true", help="CSV in ITK's LPS millimetres")

    compose = _add(commands, "compose", "make one transform of a chain", _compose)
    inverse = _add(commands, "inverse", "invert a transform or a chain", _inverse)
    jacobian = _add(commands, "jacobian", "determinant of a transform's Jacobian", _jacobian)
    for command, text in (
        (compose, "image that the chain begins at: the grid"),
        (inverse, "image that the transform leads to, the moving one: the grid of its inverse"),
        (jacobian, "image that the transform begins at: the grid"),
    ):
        command.add_argument("--reference", type=Path, required=True, help=text)
    for command, role in ((compose, "moving"), (inverse, "fixed")):
        command.add_argument(
            "--format",
            default="itk",
            choices=("itk", "fsl", "x5", "voxel"),
            help=f"of the result; fsl needs the image that it leads to, too, mostly --{role}",
        )
    inverse.add_argument(
        "--tolerance", type=float, default=0.01, help="mm that it may be off, at most (0.01)"
    )
    for command in (apply, points, compose, inverse, jacobian):
        add_images(command, grid=command is not points, inverted=command is inverse)
        command.add_argument(_TRANSFORM, nargs="+", required=True, metavar="T", help=_CHAIN)
        command.takes_all = _TRANSFORM
        command.add_argument("-o", "--output", type=Path, required=True)
        command.add_argument("--overwrite", action="store_true", help="replace an existing file")


def _add(
    commands: argparse._SubParsersAction,
    name: str,
    text: str,
    run: object,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text, epilog=epilog)
    command.set_defaults(run=run)
    return command


def _load(path: Path, array: str = "vol") -> nib.spatialimages.SpatialImage:
    """Open an image, and say what its header leaves open."""
    from pmrnet.image_files import open_placed_image

    image, assumed = open_placed_image(path, array)
    if assumed is not None:
        _warn(f"{path}: {assumed}; if that is wrong, left and right may be swapped.")
    return image


def _warn(sentence: str | None) -> None:
    if sentence is not None:
        print(f"warning: {sentence}", file=sys.stderr)


def _given(path: Path | None) -> nib.spatialimages.SpatialImage | None:
    return None if path is None else _load(path)


def _images(
    options: argparse.Namespace, reference: Grid, *, inverted: bool = False
) -> TransformImages:
    fixed, moving = _given(options.fixed), _given(options.moving)
    return TransformImages.of(options.transform, reference, fixed, moving, inverted=inverted)


def _new(options: argparse.Namespace) -> Path:
    from pmrnet.files import check_new_file

    check_new_file(options.output, options.overwrite)
    return options.output


def _apply(options: argparse.Namespace) -> None:
    from pmrnet.errors import InputError
    from pmrnet.image_files import is_constant, write_image
    from pmrnet.transforms import apply_to_image, check_labels, looks_like_labels

    output = _new(options)
    image = _load(options.image, "seg" if options.labels else "vol")
    reference = _load(options.reference)
    if options.labels:
        check_labels(image)
    elif looks_like_labels(image):
        raise InputError(
            f"{options.image}: expected an image to interpolate, found what looks like a label "
            "map; say --labels."
        )
    images = _images(options, reference)
    _warn(wrong_way(options.transform, reference, images))
    if options.labels:
        _warn(labels_elsewhere(options.transform, image))
    transform = images.chain(options.transform)
    order = 0 if options.labels else 1
    moved = apply_to_image(transform, image, reference, order, options.fill)
    write_image(output, moved)
    if is_constant(moved) and not is_constant(image):
        _warn(
            f"{output} has one value everywhere, since nothing of {options.image} lies where the "
            f"transform puts {options.reference}; check that they belong together."
        )
    print(f"moved: {output}")


def _points(options: argparse.Namespace) -> None:
    from pmrnet.transforms import load_chain, move_points_file

    output = _new(options)
    fixed, moving = _given(options.fixed), _given(options.moving)
    transform = load_chain(options.transform, fixed=fixed, moving=moving)
    moved = move_points_file(
        transform, options.points, output, lps=options.lps, overwrite=options.overwrite
    )
    assumed = f" ({moved.assumed})" if moved.assumed else ""
    outside = (
        f"; {moved.outside} of them outside of the transform's grid, as voxel indices, LPS or the "
        "wrong way may be"
        if moved.outside
        else ""
    )
    print(
        f"moved {moved.count} points{_way(options.transform)} by up to {moved.largest_mm:.1f} mm: "
        f"{output}{assumed}{outside}"
    )


def _way(texts: list[str]) -> str:
    """Which way folders of registrations take points; of a file only its user knows."""
    from pmrnet.transforms import parse_member

    members = [parse_member(text) for text in texts]
    backwards = {member.inverse for member in members}
    if len(backwards) > 1 or not all(member.path.is_dir() for member in members):
        return ""
    source, target = ("moving", "fixed") if backwards == {True} else ("fixed", "moving")
    return f" of the {source} image to the {target} one,"


def _compose(options: argparse.Namespace) -> None:
    from pmrnet.transforms import AffineTransform, check_target, write

    reference = _load(options.reference)
    images = _images(options, reference)
    _warn(wrong_way(options.transform, reference, images))
    images.check_target(options.format)
    transform = images.chain(options.transform)
    check_target(
        options.output,
        options.format,
        affine=isinstance(transform, AffineTransform),
        overwrite=options.overwrite,
    )
    write(
        transform,
        options.output,
        options.format,
        fixed=reference,
        moving=images.target,
        overwrite=options.overwrite,
    )
    print(f"transform: {options.output}")


def _inverse(options: argparse.Namespace) -> None:
    from pmrnet.transforms import (
        AffineTransform,
        check_target,
        check_tolerance,
        extended,
        invert,
        load_written_inverse,
        round_trip_error,
        to_dense,
        write,
    )

    check_tolerance(options.tolerance)
    reference = _load(options.reference)
    grid = reference.shape[:3], reference.affine
    images = _images(options, reference, inverted=True)
    check_inverse_grid(options.transform, reference, images)
    images.check_target(options.format)
    transform = images.chain(options.transform)
    affine = isinstance(transform, AffineTransform)
    check_target(options.output, options.format, affine=affine, overwrite=options.overwrite)
    inverse = load_written_inverse(options.transform, fixed=images.fixed, moving=images.moving)
    if affine:
        inverse = transform.inverse()
    elif inverse is None:
        transform = extended(transform)
        inverse = invert(transform, *grid, tolerance_mm=options.tolerance)
    dense = to_dense(inverse, *grid)
    write(
        inverse if affine else dense,
        options.output,
        options.format,
        fixed=reference,
        moving=images.target,
        overwrite=options.overwrite,
    )
    error = round_trip_error(transform, dense)
    print(
        f"transform: {options.output}; there and back differ by {error.mean():.3f} mm in the mean "
        f"and {error.max():.3f} mm at most"
    )


def _jacobian(options: argparse.Namespace) -> None:
    import nibabel as nib
    import numpy as np

    from pmrnet.image_files import write_image
    from pmrnet.transforms import jacobian_determinant, to_dense

    output = _new(options)
    reference = _load(options.reference)
    images = _images(options, reference)
    _warn(wrong_way(options.transform, reference, images))
    transform = images.chain(options.transform)
    dense = to_dense(transform, reference.shape[:3], reference.affine)
    determinant = jacobian_determinant(dense).astype(np.float32)
    write_image(output, nib.Nifti1Image(determinant, reference.affine))
    folded = float((determinant <= 0).mean())
    print(f"determinant: {output}; {100 * folded:.4f} % of the voxels fold")
