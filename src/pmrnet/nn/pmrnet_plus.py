"""PMR-Net's encoders, posteriors and fusion, from coarse to fine: ours, not the paper's."""

from __future__ import annotations

import keras
from keras import ops

from pmrnet import spatial
from pmrnet.nn.network import Inference
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
    passes
        How often the whole network looks at the fixed image and at the moving one as it has moved
        it so far, with the same weights; velocities add up. All passes but the last take the mean.
    """

    def __init__(
        self,
        *,
        repeats: tuple[int, ...] | None = None,
        top_down: bool = False,
        passes: int = 1,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.repeats = (1,) * len(self.filters) if repeats is None else tuple(repeats)
        if len(self.repeats) != len(self.filters) or min(self.repeats) < 1:
            raise ValueError(
                f"repeats needs an entry of 1 or more for each of the {len(self.filters)} levels; "
                f"got {repeats}."
            )
        if passes < 1:
            raise ValueError(f"passes must be 1 or more; got {passes}.")
        self.passes = passes
        #: how many of them a training step takes; to be set before compiling
        self.training_passes = passes
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

    def infer(self, moving: object, fixed: object, training: bool) -> Inference:
        """As `PMRNet.infer`, pass by pass; the levels are those of the last one."""
        passes = self.training_passes if training else self.passes
        return self._infer_last(*self._before_last(moving, fixed, passes), training)

    def shared_by_draws(self, moving: object, fixed: object) -> tuple:
        """What all passes but the last find, and the feature maps that the last one sees."""
        return self._before_last(moving, fixed, self.passes)

    def mean_from(self, shared: tuple) -> object:
        """Mean of the fused velocity: the last pass."""
        return self._infer_last(*shared, training=False).mean

    def draw_from(self, shared: tuple) -> Inference:
        """One `draw`: the last pass."""
        return self._infer_last(*shared, training=True)

    def sample_from(self, shared: tuple) -> object:
        """One sample of the fused velocity: the last pass."""
        velocity, moving, fixed = shared
        return velocity + self._sample(moving, fixed)

    def _before_last(self, moving: object, fixed: object, passes: int) -> tuple:
        velocity = ops.zeros(())  # of the passes before
        fixed_features, seen = self._encode_fixed(fixed), moving
        for _ in range(passes - 1):
            velocity = velocity + self._infer(self._encode_moving(seen), fixed_features, False).mean
            displacement = self.resize_displacement(self.integration(velocity))
            seen = self.transformer([moving, displacement])
        return velocity, self._encode_moving(seen), fixed_features

    def _infer_last(self, velocity: object, moving: list, fixed: list, training: bool) -> Inference:
        last = self._infer(moving, fixed, training)
        last.mean = velocity + last.mean
        if training:
            last.sample = velocity + last.sample
        return last

    def _encode_moving(self, image: object) -> list:
        features = super()._encode_moving(image)
        return self.moving_top_down(features) if self.top_down else features

    def _encode_fixed(self, image: object) -> list:
        features = super()._encode_fixed(image)
        return self.fixed_top_down(features) if self.top_down else features

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
            "passes": self.passes,
        }
