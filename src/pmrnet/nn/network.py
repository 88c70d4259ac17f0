"""What every probabilistic registration network here has in common.

A network turns a moving and a fixed image into a posterior over the final velocity field. From
there on all are alike: sample it (training) or take its mean (use), integrate, resize, warp the
moving image, and score equation 6. Subclasses implement `infer`; one without a posterior
implements `estimate` instead.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
from keras import ops

from pmrnet import spatial
from pmrnet.nn import layers
from pmrnet.nn.displacement_objective import DisplacementObjective
from pmrnet.nn.label_overlap import label_overlap
from pmrnet.nn.objective import Objective
from pmrnet.value_checks import is_count_or_0


@dataclasses.dataclass
class Level:
    """Feature-level model of one level in training (section 2.2): tensors on the level's grid.

    `moved_features` are what the model takes for the fixed ones: in the paper the moving features,
    warped.
    """

    mean: Any
    log_variance: Any
    fixed_features: Any
    moved_features: Any


@dataclasses.dataclass
class Inference:
    """Posterior of the final velocity on the first level's grid, half that of the images.

    `sample` and `log_variance` are None when only the mean was asked for. `penalised` is the
    posterior whose KL enters the loss as the image's, where it is not this one: `mean` and
    `log_variance`.
    """

    mean: Any
    log_variance: Any = None
    sample: Any = None
    levels: list[Level] = dataclasses.field(default_factory=list)
    penalised: dict[str, Any] | None = None

    def as_outputs(self) -> dict[str, Any]:
        """Plain containers, None left out: Keras traverses outputs as nested dicts and lists."""
        found = {key: value for key, value in vars(self).items() if value is not None}
        return {**found, "levels": [vars(level) for level in self.levels]}


class RegistrationNetwork(keras.Model):
    """Base of PMR-Net and its comparators.

    Call with `{"moving": x, "fixed": y}`, each (batch, *grid, 1), intensities in [0, 1]. Returns a
    dict with `moved` (batch, *grid, 1), `velocity` (batch, *(grid / 2), N) in voxels of its grid
    and `displacement` (batch, *grid, N) in voxels, such that moved(p) = moving(p + u(p)). With
    `training=True` it also holds the `inference` that the objective needs. A network without a
    velocity (`has_velocity` is False) returns `moved` and `displacement` only.

    Parameters
    ----------
    integration_steps
        Squarings of scaling and squaring, 7 in the paper's reference [4].
    seed
        Seed of the posterior samples.
    objective
        The training loss; needed for `fit` only, and no part of the network's configuration.
    label_weight
        Weight of `label_overlap` in that loss, likewise. Above 0, the inputs also hold
        `moving_labels` and `fixed_labels`, (batch, *grid, labels).
    """

    #: every grid size must be a multiple of this
    multiple = 16
    #: False where the displacement is no integral: there is no inverse and no posterior then
    has_velocity = True

    def __init__(
        self,
        integration_steps: int = 7,
        seed: int = 0,
        objective: Objective | DisplacementObjective | None = None,
        label_weight: float = 0.0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        if not is_count_or_0(integration_steps):
            raise ValueError(
                f"integration_steps must be a whole number of 0 or more; got {integration_steps!r}."
            )
        self.integration_steps = integration_steps
        self.seed = seed
        self.sampler = layers.GaussianSample(seed=seed, name="sample")
        self.integration = layers.VelocityIntegration(integration_steps, name="integration")
        self.to_image_grid = layers.FieldUpsampling(1, name="to_image_grid")
        self.transformer = layers.SpatialTransformer(differentiate_values=False, name="transformer")
        self.objective = objective
        self.label_weight = label_weight
        self._trackers: dict[str, keras.metrics.Mean] = {}
        self._predict_functions: dict[tuple, object] = {}

    def infer(self, moving: object, fixed: object, training: bool) -> Inference:
        """Posterior of the final velocity given both images; see `Inference`."""
        raise NotImplementedError

    def call(self, inputs: dict, training: bool = False) -> dict:
        """Register `moving` to `fixed`."""
        moving, fixed = inputs["moving"], inputs["fixed"]
        self._check_shapes(moving, fixed)
        outputs = self.estimate(moving, fixed, training=training)
        return {"moved": self.transformer([moving, outputs["displacement"]]), **outputs}

    def estimate(self, moving: object, fixed: object, training: bool) -> dict:
        """What `call` returns, but for `moved`."""
        inference = self.infer(moving, fixed, training=training)
        velocity = inference.sample if training else inference.mean
        outputs = {
            "velocity": velocity,
            "displacement": self.resize_displacement(self.integration(velocity)),
        }
        if training:
            outputs["inference"] = inference.as_outputs()
        return outputs

    def predict_on_batch(self, x: dict) -> dict:
        """Register one batch of NumPy images; see the class.

        There is one compiled program per image size: Keras would make one of unknown size as soon
        as it meets a second, and fields need to know theirs.
        """
        size = tuple(x["moving"].shape)
        if size not in self._predict_functions:
            self.make_predict_function(force=True)
            self._predict_functions[size] = self.predict_function
        self.predict_function = self._predict_functions[size]
        return super().predict_on_batch(x)

    def _check_shapes(self, moving: object, fixed: object) -> None:
        grid = moving.shape[1:-1]
        if moving.shape != fixed.shape or any(n is not None and n % self.multiple for n in grid):
            raise ValueError(
                f"{type(self).__name__} needs a moving and a fixed image of one shape "
                f"(batch, *grid, 1) with every grid size a multiple of {self.multiple}; got "
                f"{tuple(moving.shape)} and {tuple(fixed.shape)}: pad or crop the images."
            )

    def build(self, input_shape: dict | None = None) -> None:
        """Create the running means of the objective's terms; subclasses create their weights."""
        if self.objective is not None:
            names = self.objective.term_names(self.level_count)
            names += ["label_overlap"] if self.label_weight else []
            self._trackers = {name: keras.metrics.Mean(name=name) for name in names}

    @property
    def level_count(self) -> int:
        """Number of feature-level models that enter the loss."""
        return 0

    def compute_loss(
        self,
        x: object = None,
        y: object = None,
        y_pred: object = None,
        sample_weight: object = None,
        training: bool = True,
    ) -> object:
        """Equation 5, the image's loss plus the weighted losses of the levels; labels, if any."""
        if self.objective is None:
            raise ValueError("training needs a loss: construct the network with objective=...")
        terms = self.objective(x["fixed"], y_pred)
        if self.label_weight:
            moving, fixed = (
                ops.cast(x[side], "float32") for side in ("moving_labels", "fixed_labels")
            )
            moved = self.transformer([moving, y_pred["displacement"]])
            terms["label_overlap"] = self.label_weight * label_overlap(fixed, moved)
        for name, value in terms.items():
            self._trackers[name].update_state(value)
        return ops.sum(ops.stack(list(terms.values())))

    def get_config(self) -> dict:
        """Constructor arguments."""
        return {"integration_steps": self.integration_steps, "seed": self.seed, "name": self.name}

    def draw(self, moving: object, fixed: object) -> Inference:
        """All that `infer` gives in training, a sample too, of the network as it is in use."""
        return self.draw_from(self.shared_by_draws(moving, fixed))

    def shared_by_draws(self, moving: object, fixed: object) -> object:
        """What `draw_from` needs of two images: all that does not depend on the samples.

        Tensors, in lists or tuples; subclasses that can do more than hand on the images do so.
        """
        return moving, fixed

    def mean_from(self, shared: object) -> object:
        """Mean of the final velocity, from what `shared_by_draws` gave."""
        return self.infer(*shared, training=False).mean

    def draw_from(self, shared: object) -> Inference:
        """One `draw`, from what `shared_by_draws` gave."""
        return self.infer(*shared, training=True)

    def sample_from(self, shared: object) -> object:
        """The sample of one `draw` alone, for less work where there is some to save."""
        return self.draw_from(shared).sample

    def displacement_of(self, velocity: object) -> object:
        """Integrate a velocity on the half grid and bring it to the image grid, voxels."""
        return self.resize_displacement(spatial.integrate(velocity, self.integration_steps))

    def resize_displacement(self, displacement: object) -> object:
        """Bring a displacement from the half grid to the images', values scaled with it."""
        return self.to_image_grid(displacement)
