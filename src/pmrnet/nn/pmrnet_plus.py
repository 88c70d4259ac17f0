"""PMR-Net's encoders, posteriors and fusion, from coarse to fine: ours, not the paper's."""

from __future__ import annotations

import keras

from pmrnet import spatial
from pmrnet.nn.pmrnet import PMRNet
from pmrnet.nn.top_down import TopDown


@keras.saving.register_keras_serializable(package="pmrnet")
class PMRNetPlus(PMRNet):
    """PMR-Net whose levels build on each other.

    In the paper every level sees the features as they are. Here, from coarse to fine, each level
    sees the moving features warped by what the coarser levels found, and adds the velocity that is
    still missing. The velocities are fused as in the paper.

    Parameters
    ----------
    repeats
        Per level, how often its posterior looks and adds, with the same weights; one by default.
        All but the last of these steps take the mean, so that a level has the noise of one.
    top_down
        Fine levels see features merged with those of the coarser ones, see `TopDown`.
    """

    def __init__(
        self,
        *,
        repeats: tuple[int, ...] | None = None,
        top_down: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.repeats = (1,) * len(self.filters) if repeats is None else tuple(repeats)
        if len(self.repeats) != len(self.filters) or min(self.repeats) < 1:
            raise ValueError(
                f"repeats needs an entry of 1 or more for each of the {len(self.filters)} levels; "
                f"got {repeats}."
            )
        self.top_down = top_down
        if top_down:
            self.moving_top_down = TopDown(self.filters, name="moving_top_down")
            self.fixed_top_down = self.moving_top_down
            if not self.shared_encoder:
                self.fixed_top_down = TopDown(self.filters, name="fixed_top_down")

    def build(self, input_shape: dict | None = None) -> None:
        """Create all weights: for 3D images, or for those of `input_shape`."""
        shape = (1, None, None, None, 1) if input_shape is None else input_shape["moving"]
        if self.top_down:
            maps = self.moving_encoder.compute_output_shape(shape)
            for layer in (self.moving_top_down, self.fixed_top_down):
                if not layer.built:
                    layer.build(maps)
        super().build(input_shape)

    def look_at_fixed(self, fixed: object) -> list:
        """Feature maps of the fixed image, finest first."""
        features = super().look_at_fixed(fixed)
        return self.fixed_top_down(features) if self.top_down else features

    def look(self, moving: object, fixed: list, mean_only: bool) -> tuple[list, list]:
        """Feature maps of both images, finest first."""
        features, fixed = super().look(moving, fixed, mean_only)
        return self.moving_top_down(features) if self.top_down else features, fixed

    def _infer_levels(
        self, pairs: list, training: bool, compare: bool = True
    ) -> tuple[list, list, list]:
        """Posteriors, samples and moved features of all levels, from coarse to fine."""
        posteriors, samples, moved = [], [], []
        velocity = None  # of the coarser levels together, on the present level's grid
        coarser = self.levels[-1]
        for level, posterior, (moving_features, fixed_features) in zip(
            reversed(self.levels), reversed(self.posteriors), reversed(pairs), strict=True
        ):
            if velocity is not None:
                velocity = spatial.upsample_field(velocity, coarser - level)
            own = 0.0
            for step in range(self.repeats[level - 1]):
                seen = moving_features
                if velocity is not None:
                    seen = self._warp_features(moving_features, velocity)
                last = step == self.repeats[level - 1] - 1
                mean, log_variance = posterior(
                    self._combine(seen, fixed_features), mean_only=not (training and last)
                )
                found = self.sampler([mean, log_variance]) if training and last else mean
                velocity = found if velocity is None else velocity + found
                sample, mean = own + found, own + mean
                own = mean
            coarser = level
            posteriors.insert(0, (mean, log_variance))
            if training:
                samples.insert(0, sample)
            if training and compare:
                moved.insert(0, self._warp_features(moving_features, velocity))
        return posteriors, samples, moved

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {
            **super().get_config(),
            "repeats": list(self.repeats),
            "top_down": self.top_down,
        }
