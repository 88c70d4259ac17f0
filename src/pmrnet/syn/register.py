"""SyN applied to prepared subjects."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pmrnet.errors import InputError
from pmrnet.syn.package import import_ants

if TYPE_CHECKING:
    from pmrnet.data.prepared import PreparedSubject
    from pmrnet.syn.settings import SynSettings


class SynRegistrar:
    """Displacements between prepared subjects, each by an optimisation of its own.

    Parameters
    ----------
    settings
        See `SynSettings`.

    Raises
    ------
    InputError
        If antspyx is not installed.
    """

    def __init__(self, settings: SynSettings) -> None:
        import_ants()
        self.settings = settings

    def displacement(self, moving: PreparedSubject, fixed: PreparedSubject) -> NDArray:
        """Displacement that moves `moving` onto `fixed`, from their stored network images.

        Returns
        -------
        ndarray
            float32 of shape (X, Y, Z, 3), voxels of the stored network grid.

        Raises
        ------
        InputError
            If ANTs gives up.
        """
        spacing = fixed.spacing
        images = (moving.image_at(spacing), fixed.image_at(spacing))
        return register(*images, float(spacing), self.settings)


def register(moving: NDArray, fixed: NDArray, spacing: float, settings: SynSettings) -> NDArray:
    """Register two arrays that already lie in one space.

    Parameters
    ----------
    moving, fixed
        (X, Y, Z), on one grid.
    spacing
        Its voxel size in mm.
    settings
        See `SynSettings`.

    Returns
    -------
    ndarray
        float32 of shape (X, Y, Z, 3), voxels: the moved image at p is the moving image at p + u(p).
        All stages of ANTs are in it, composed to one map.

    Raises
    ------
    InputError
        If ANTs gives up.
    """
    ants = import_ants()
    # Axis i of an array is ITK's axis i, with the origin 0 and no rotation: points are voxels times
    # `spacing`, and neither the sign of ITK's first two axes (LPS) nor a NIfTI header has a say.
    geometry = {"origin": (0.0,) * 3, "spacing": (spacing,) * 3}
    source, target = (
        ants.from_numpy(np.asarray(image, np.float32), **geometry) for image in (moving, fixed)
    )
    # ANTs leaves warps of 60 MB each at 1 mm, by default in the system's temporary folder for good.
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "syn_")
        ants.config.set_ants_deterministic(on=False, seed_value=settings.random_seed)
        try:
            found = ants.registration(
                fixed=target,
                moving=source,
                type_of_transform=settings.type_of_transform,
                # Else "SyN" first moves the images' centres of mass onto each other.
                initial_transform="Identity",
                outprefix=prefix,
                syn_metric=settings.syn_metric,
                syn_sampling=settings.syn_sampling,
                reg_iterations=settings.iterations,
                grad_step=settings.gradient_step,
                flow_sigma=settings.flow_sigma,
                total_sigma=settings.total_sigma,
            )
            transforms = found["fwdtransforms"]
            composed = ants.apply_transforms(
                fixed=target,
                moving=source,
                transformlist=transforms,
                whichtoinvert=[False] * len(transforms),
                compose=prefix,
            )
            field = ants.image_read(composed).numpy()
        except RuntimeError as error:
            raise InputError(
                f"ANTs: expected two images that it can register, found that it gave up ({error}); "
                "look at both images, and at the settings."
            ) from error
        finally:
            ants.config.set_ants_deterministic(on=False, seed_value=None)
    return np.asarray(field / spacing, np.float32)
