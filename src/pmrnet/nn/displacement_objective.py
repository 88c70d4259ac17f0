"""The training loss of networks without a posterior: likeness, smoothness, no folding."""

from __future__ import annotations

import dataclasses

from pmrnet.nn import losses
from pmrnet.nn.correlation import check_window, local_correlation
from pmrnet.nn.jacobian import folding


@dataclasses.dataclass(frozen=True)
class DisplacementObjective:
    """FAIM's loss (Kuang & Schmah 2018), on the displacement alone.

    One minus the mean squared local correlation, the displacement's mean squared forward
    difference, and the sum over voxels of max(0, -det) of its Jacobian.

    The displacement is in voxels. So it is in the authors' code, where it is added to voxel
    indices (a remark there about a cube [-1, 1]^3 is left over): their weights hold here as they
    are. The last term is a sum as theirs is, so its share grows with the number of voxels; theirs
    on LPBA40 were 91 x 109 x 91 of 2 mm. Where they sum over the batch, here is its mean.

    Parameters
    ----------
    window
        Voxels along the edge of the correlation's window.
    gradient_weight
        Weight of the squared differences.
    folding_weight
        Weight of the sum of negative determinants.
    """

    window: int = 9
    gradient_weight: float = 1.0
    folding_weight: float = 1.0e-3

    def __post_init__(self) -> None:
        check_window(self.window)
        for name in ("gradient_weight", "folding_weight"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be 0 or more; got {getattr(self, name)}.")

    def term_names(self, levels: int = 0) -> list[str]:
        """Names of the terms, in the order in which they are logged; there are none of levels."""
        return ["image_correlation", "gradient", "folding"]

    def __call__(self, fixed: object, outputs: dict) -> dict:
        """Weighted terms whose sum is the loss.

        Parameters
        ----------
        fixed
            Fixed image, (batch, *grid, 1).
        outputs
            What a `RegistrationNetwork` returned: `moved` and `displacement`.
        """
        u = outputs["displacement"]
        return {
            "image_correlation": 1.0 - local_correlation(fixed, outputs["moved"], self.window),
            "gradient": self.gradient_weight * losses.mean_square_gradient(u),
            "folding": self.folding_weight * folding(u),
        }
