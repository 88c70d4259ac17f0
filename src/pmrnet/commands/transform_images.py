"""The images that a command on transforms is given: its grid, and those of a file of FSL's.

`--reference` is the grid of the result. `--fixed` and `--moving` are the images that a bare file of
FSL's was made with, FLIRT's -ref and -in, whichever way it is taken; the grid of the result is one
of the two, so that only the other one need be named.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pmrnet.transforms import Grid, Transform

_HELP = "{role} image of a bare file in FSL's format (FLIRT's {option}), whichever way it is taken"
_NAMES = {"fixed": "-ref", "moving": "-in"}


def add_images(
    command: argparse.ArgumentParser, *, grid: bool = True, inverted: bool = False
) -> None:
    """Add ``--fixed`` and ``--moving``.

    Parameters
    ----------
    command
        The parser.
    grid
        Whether the command has a grid, ``--reference``; else that is another name of ``--fixed``.
    inverted
        Whether its result is the inverse of the transform.
    """
    # The one that the result's grid is that of where the transform is no `inverse:FILE`.
    own = "moving" if inverted else "fixed"
    for role, option in _NAMES.items():
        text = _HELP.format(role=role, option=option)
        if grid:
            case = "" if role == own else " for `inverse:FILE`"
            text += f"; without it{case}, --reference"
        names = (f"--{role}", *(("--reference",) if role == "fixed" and not grid else ()))
        command.add_argument(*names, type=Path, help=text)


@dataclass(frozen=True)
class TransformImages:
    """Images of the transform that is named, and the one that the result leads to.

    Parameters
    ----------
    fixed, moving
        Of the file, whichever way it is taken; None where it is not known.
    target
        Where the result of the command leads, from the grid of ``--reference``.
    option
        The option that names `target`.
    """

    fixed: Grid | None
    moving: Grid | None
    target: Grid | None
    option: str

    @classmethod
    def of(
        cls,
        texts: list[str],
        reference: Grid,
        fixed: Grid | None,
        moving: Grid | None,
        *,
        inverted: bool = False,
    ) -> TransformImages:
        """Fill in what ``--reference`` says.

        Parameters
        ----------
        texts
            The transforms, as they are named.
        reference, fixed, moving
            The images given.
        inverted
            Whether the result is the inverse of the transforms.
        """
        from pmrnet.transforms import known_grids

        # Folders of registrations know where they lead.
        known = known_grids(texts)[0 if inverted else 1]
        if inverted ^ _goes_back(texts):
            moving = reference if moving is None else moving
            return cls(fixed, moving, known if fixed is None else fixed, "--fixed")
        fixed = reference if fixed is None else fixed
        return cls(fixed, moving, known if moving is None else moving, "--moving")

    def chain(self, texts: list[str]) -> Transform:
        """The transforms, as `load_chain` reads them."""
        from pmrnet.transforms import load_chain

        return load_chain(texts, fixed=self.fixed, moving=self.moving)

    def check_target(self, format: str) -> None:
        """Refuse FSL's format without the image that the result leads to.

        Raises
        ------
        InputError
            If it is missing.
        """
        from pmrnet.errors import InputError

        if format == "fsl" and self.target is None:
            raise InputError(
                "--format fsl: expected the image that the new transform leads to, since FSL's are "
                f"relative to both headers, found none; give {self.option}."
            )


def check_inverse_grid(texts: list[str], reference: Grid, images: TransformImages) -> None:
    """Refuse the grid of the image that the transform begins at for its inverse.

    Parameters
    ----------
    texts
        The transforms, as they are named.
    reference
        The image given for the inverse's grid.
    images
        Of a file of FSL's; the folders of registrations know their own.

    Raises
    ------
    InputError
        If the grid is that of the image that the transform begins at, and not that of the other.
    """
    from pmrnet.errors import InputError
    from pmrnet.transforms import named_inverse

    begin, end = _ends(texts, images)
    if not _at_other_end(reference, end, begin):
        return
    raise InputError(
        "--reference: expected the image that the transform leads to, on whose grid its inverse is "
        "wanted, found the grid of the one that it begins at; give the other image, or make a "
        f"field on this grid by `pmrnet compose --transform {shlex.join(named_inverse(texts))}`."
    )


def wrong_way(texts: list[str], reference: Grid, images: TransformImages) -> str | None:
    """Say that the grid is that of the image that the transform leads to, as the wrong way has it.

    Parameters
    ----------
    texts, reference, images
        As in `check_inverse_grid`. Other grids than those of the two images are taken as they are.
    """
    from pmrnet.transforms import named_inverse

    begin, end = _ends(texts, images)
    if not _at_other_end(reference, begin, end):
        return None
    return (
        "--reference has the grid of the image that the transform leads to, not of the one that it "
        f"begins at; for the way back say `--transform {shlex.join(named_inverse(texts))}`."
    )


def labels_elsewhere(texts: list[str], labels: Grid) -> str | None:
    """Say that labels have the shape of the image that the transform leads to, at another place."""
    from pmrnet.data.placement import other_grid
    from pmrnet.transforms import known_grids

    _, end = known_grids(texts)
    if end is None or tuple(labels.shape[:3]) != tuple(end.shape[:3]):
        return None
    if (found := other_grid(labels, end)) is None:
        return None
    return (
        f"The labels have the shape of the registered image and {found}; check the header if they "
        "were drawn on that image."
    )


def _ends(texts: list[str], images: TransformImages) -> tuple[Grid | None, Grid | None]:
    """Grids that the transform begins at and leads to, as far as they are known."""
    from pmrnet.transforms import known_grids

    given = (images.fixed, images.moving)
    pairs = zip(known_grids(texts), given[:: -1 if _goes_back(texts) else 1], strict=True)
    begin, end = (known or other for known, other in pairs)
    return begin, end


def _at_other_end(reference: Grid, own: Grid | None, other: Grid | None) -> bool:
    """Whether a grid is that of the other end of a transform, and not that of its own."""
    known = own is not None and other is not None
    return known and _same(reference, other) and not _same(reference, own)


def _goes_back(texts: list[str]) -> bool:
    """Whether a single transform is named, by `inverse:`."""
    from pmrnet.transforms import parse_member

    return len(texts) == 1 and parse_member(texts[0]).inverse


def _same(one: Grid, other: Grid) -> bool:
    import numpy as np

    return tuple(one.shape[:3]) == tuple(other.shape[:3]) and np.allclose(
        one.affine, other.affine, rtol=0, atol=1e-3
    )
