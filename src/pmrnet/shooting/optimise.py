"""The momentum of a pair of images, from coarse to fine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy import optimize

from pmrnet import spatial
from pmrnet.shooting.differences import gradient
from pmrnet.shooting.energy import energy_and_gradient, final_displacement
from pmrnet.shooting.geodesic import momentum_field
from pmrnet.shooting.kernel import apply_kernel, kernel_matrices
from pmrnet.shooting.settings import ShootingSettings


def register(
    moving: Sequence[NDArray], fixed: Sequence[NDArray], settings: ShootingSettings
) -> tuple[NDArray, dict[str, Any]]:
    """Find the geodesic that moves one image onto another.

    Parameters
    ----------
    moving, fixed
        An array (X, Y, Z) or (X, Y) for each of the settings' spacings, coarse to fine; grids of
        neighbouring levels differ by the ratio of their spacings.
    settings
        See `ShootingSettings`.

    Returns
    -------
    displacement
        (*grid, N), voxels of the finest grid: the moved image at p is the moving image at p + u(p).
    record
        `momentum`, the initial one on the finest grid, (*grid); `seconds`; `levels`, per level its
        spacing, iterations, evaluations, and first and last energy.

    Raises
    ------
    ValueError
        If there is not one pair of equal shapes for every spacing.
    """
    shapes = [m.shape for m in moving]
    if len(shapes) != len(settings.spacings) or shapes != [f.shape for f in fixed]:
        raise ValueError(
            f"register needs a pair of images of equal shape for each of the spacings "
            f"{settings.spacings}; got {shapes} and {[f.shape for f in fixed]}."
        )
    started, levels = time.perf_counter(), []
    momentum, before = None, None
    for number, spacing in enumerate(settings.spacings):
        images = tuple(_tensor(images[number]) for images in (moving, fixed))
        start = ops.zeros_like(images[0])
        if momentum is not None:
            start = spatial.upsample(momentum, (before // spacing).bit_length() - 1)
        matrices = _kernel(*images, spacing, settings)
        momentum, entry = _level(start, *images, matrices, spacing, number, settings)
        levels.append({"spacing": spacing, **entry})
        before = spacing
    shot = final_displacement(float(spacing), settings.time_steps)
    displacement = ops.convert_to_numpy(shot(images[0], momentum, matrices))[0]
    plain = ops.convert_to_numpy(momentum)[0, ..., 0]
    seconds = time.perf_counter() - started
    return displacement, {"momentum": plain, "seconds": seconds, "levels": levels}


def apparent_weights(moving: object, fixed: object, sigmas: Sequence[float]) -> NDArray:
    """Weights by which the Gaussians of all scales move equally far at first.

    Parameters
    ----------
    moving, fixed
        (1, *grid, 1).
    sigmas
        Standard deviations in voxels.

    Returns
    -------
    ndarray
        One per Gaussian, inverse to the largest vector of the smoothed (moving - fixed) grad fixed
        (Risser et al. 2011), of sum 1; equal ones where the images do not differ.
    """
    force, grid = (moving - fixed) * gradient(fixed), tuple(fixed.shape[1:-1])
    smooth = (apply_kernel(force, _tensors(kernel_matrices(grid, [s], [1.0]))) for s in sigmas)
    largest = np.array([np.linalg.norm(ops.convert_to_numpy(f), axis=-1).max() for f in smooth])
    if not largest.all():
        return np.full(len(largest), 1.0 / len(largest))
    return (1.0 / largest) / (1.0 / largest).sum()


def _kernel(moving: object, fixed: object, spacing: float, settings: ShootingSettings) -> tuple:
    sigmas = [scale / spacing for scale in settings.scales]
    if settings.weights is None:
        weights = apparent_weights(moving, fixed, sigmas)
    else:
        weights = np.array(settings.weights) / sum(settings.weights)
    return _tensors(kernel_matrices(tuple(moving.shape[1:-1]), sigmas, weights))


def _level(
    start: object,
    moving: object,
    fixed: object,
    matrices: tuple,
    spacing: float,
    number: int,
    settings: ShootingSettings,
) -> tuple[object, dict[str, Any]]:
    """L-BFGS on one grid; the momentum of the lowest energy."""
    evaluate = energy_and_gradient(float(spacing), settings.norm_weight, settings.time_steps)
    first, slope = evaluate(start, moving, fixed, matrices)
    first = float(first)
    entry = {"iterations": 0, "evaluations": 1, "first_energy": first, "energy": first}
    update = apply_kernel(momentum_field(moving, slope, spacing), matrices)
    largest = float(ops.max(ops.abs(update))) / spacing
    if largest == 0:  # equal images, or no edges: nothing to move
        return start, entry
    # L-BFGS-B's first step has the length 1: in this unit of momentum it is the update wanted.
    unit = settings.first_update / largest * float(ops.norm(ops.reshape(slope, [-1])))
    shape = tuple(start.shape)

    def objective(change: NDArray) -> tuple[float, NDArray]:
        momentum = start + _tensor(change.reshape(shape[1:-1])) * unit
        value, slope = evaluate(momentum, moving, fixed, matrices)
        # Shares of the first energy, since the optimiser's tolerance takes 1 for a large value.
        scaled = ops.convert_to_numpy(slope).ravel().astype(float) * (unit / first)
        return float(value) / first, scaled

    found = optimize.minimize(
        objective,
        np.zeros(np.prod(shape)),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": settings.iterations[number],
            "maxcor": settings.memory,
            "ftol": settings.tolerance,
            "gtol": 0.0,
            "maxls": 10,
        },
    )
    entry |= {"iterations": int(found.nit), "evaluations": 1 + int(found.nfev)}
    entry["energy"] = float(found.fun) * first
    return start + _tensor(found.x.reshape(shape[1:-1])) * unit, entry


def _tensor(image: NDArray) -> object:
    return ops.convert_to_tensor(np.asarray(image, np.float32)[None, ..., None])


def _tensors(arrays: Sequence[NDArray]) -> tuple:
    return tuple(ops.convert_to_tensor(array) for array in arrays)
