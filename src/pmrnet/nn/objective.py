"""The training objective: equation 5, the sum of equation 6 over the image and the levels."""

from __future__ import annotations

import dataclasses
import math

from pmrnet.nn import losses
from pmrnet.nn.correlation import check_window, local_correlation

REDUCTIONS = ("mean", "sum")
FEATURE_ERRORS = {"relative": losses.relative_mean_square, "plain": losses.mean_square}


@dataclasses.dataclass(frozen=True)
class Objective:
    """Weights of equations 5 and 6.

    Parameters
    ----------
    image_sigma
        Noise of the image, intensities in [0, 1]; with `similarity="lncc"` of the correlation's
        distance from 1.
    prior_lambda
        Scale of the prior's precision, at all levels.
    feature_sigma
        Noise of the features, in standard deviations of each feature channel; with
        `feature_error="plain"` in their own units.
    level_weight
        lambda_l of equation 5, 1 in the paper; 0 switches the feature-level terms off.
    level_kl_weight
        Further weight of the levels' KL, 1 in the paper; 0.5 in the authors' released code.
    level_reduction
        How levels of different grids compare. `mean`: each level's terms are means over its own
        voxels, so that all levels weigh alike. `sum`: they are sums over voxels, as equation 6 is
        written, in units of the finest level's number of voxels, so that a level counts 8 times
        less (in 3D) than the next finer one.
    feature_error
        `relative`, divided by each channel's variance (see `losses.relative_mean_square`), or
        `plain`, the mean square as the authors' released code has it.
    weighting
        `voxelmorph` or `exact`, see `pmrnet.nn.losses`. With `exact` the image's terms are the ELBO
        per voxel of the velocity; of a level's features the mean over channels is taken all the
        same, since their number is not given by the data.
    similarity
        Of the images: `mse`, equation 6, or `lncc`, one minus the squared local correlation in
        place of the squared difference.
    window
        Voxels along the edge of the window of `lncc`.
    """

    image_sigma: float = 0.02
    prior_lambda: float = 10.0
    feature_sigma: float = 1.0
    level_weight: float = 1.0
    level_kl_weight: float = 1.0
    level_reduction: str = "mean"
    feature_error: str = "relative"
    weighting: str = "voxelmorph"
    similarity: str = "mse"
    window: int = 9

    def __post_init__(self) -> None:
        for name in ("image_sigma", "feature_sigma"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)}.")
        for name in ("prior_lambda", "level_weight", "level_kl_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more; got {getattr(self, name)}.")
        check_window(self.window)
        losses.check_weighting(self.weighting)
        if self.similarity not in SIMILARITIES:
            raise ValueError(
                f"similarity must be one of {tuple(SIMILARITIES)}; got {self.similarity!r}."
            )
        if self.level_reduction not in REDUCTIONS:
            raise ValueError(
                f"level_reduction must be one of {REDUCTIONS}; got {self.level_reduction!r}."
            )
        if self.feature_error not in FEATURE_ERRORS:
            raise ValueError(
                f"feature_error must be one of {tuple(FEATURE_ERRORS)}; got {self.feature_error!r}."
            )

    def term_names(self, levels: int) -> list[str]:
        """Names of the terms, in the order in which they are logged."""
        names = ["image_reconstruction", "image_kl"]
        if self.level_weight:
            for level in range(1, levels + 1):
                names += [f"level{level}_reconstruction", f"level{level}_kl"]
        return names

    def __call__(self, fixed: object, outputs: dict) -> dict:
        """Weighted terms whose sum is the loss.

        Parameters
        ----------
        fixed
            Fixed image, (batch, *grid, 1).
        outputs
            What a `RegistrationNetwork` returned for `training=True`.
        """
        inference = outputs["inference"]
        terms = {
            "image_reconstruction": SIMILARITIES[self.similarity](
                self, fixed, outputs["moved"], inference["mean"].shape[1:-1]
            ),
            "image_kl": self._kl(inference.get("penalised", inference)),
        }
        if self.level_weight:
            finest = inference["mean"].shape[1:-1]
            for number, level in enumerate(inference["levels"], start=1):
                grid = level["mean"].shape[1:-1]
                share = 1.0 if self.level_reduction == "mean" else _ratio(grid, finest)
                error = FEATURE_ERRORS[self.feature_error](
                    level["fixed_features"], level["moved_features"]
                )
                scale = (1.0 if self.weighting == "voxelmorph" else 0.5) / self.feature_sigma**2
                weight = self.level_weight * share
                terms[f"level{number}_reconstruction"] = weight * scale * error
                weight *= self.level_kl_weight
                terms[f"level{number}_kl"] = weight * self._kl(level)
        return terms

    def _kl(self, posterior: dict) -> object:
        return losses.kl_to_prior(
            posterior["mean"], posterior["log_variance"], self.prior_lambda, self.weighting
        )


def _ratio(grid: tuple[int, ...], finest: tuple[int, ...]) -> float:
    """Voxels of a grid per voxel of the finest one."""
    return math.prod(grid) / math.prod(finest)


def _squared_difference(
    objective: Objective, fixed: object, moved: object, velocity_grid: tuple[int, ...]
) -> object:
    term = losses.reconstruction(fixed, moved, objective.image_sigma, objective.weighting)
    if objective.weighting == "voxelmorph":
        return term
    # Means per voxel of two grids: in the ELBO the image has as many voxels as it has.
    return _ratio(fixed.shape[1:-1], velocity_grid) * term


def _local_correlation(
    objective: Objective, fixed: object, moved: object, velocity_grid: tuple[int, ...]
) -> object:
    correlation = local_correlation(fixed, moved, objective.window)
    return (1.0 - correlation) / objective.image_sigma**2


#: By name, the images' term of an objective, 0 or more, less for images that are more alike. It
#: takes the objective, the fixed and the moved image (batch, *grid, 1), and the velocity's grid.
SIMILARITIES = {"mse": _squared_difference, "lncc": _local_correlation}
