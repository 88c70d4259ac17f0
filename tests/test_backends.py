"""The same network on the TensorFlow and on the JAX backend: same outputs, losses, gradients.

Each backend computes in a process of its own, by this file run as a script. The noise of the
posterior samples differs between backends, so the network's log-variances are set so low that the
samples are the means; losses with a variance of ordinary size are compared on given tensors.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend_processes import environment, needs_jax

BACKENDS = ("tensorflow", "jax")
GRIDS = {"2D": (16, 24), "3D": (8, 12, 16)}
KINDS = {"2D": ("pmrnet",), "3D": ("pmrnet", "faim", "pmrnet-released")}
CONFIGS = {
    "pmrnet": {
        "filters": (4, 6),
        "hidden_filters": (4, 5),
        "hidden_kernels": (1, 3),
        "integration_steps": 3,
    },
    "faim": {"filters": 8, "kernels": (2, 5)},
    "pmrnet-released": {"filters": (4, 8), "stem_kernels": (2, 5), "decoder_filters": 4},
}
OBJECTIVES = {"faim": {"type": "displacement", "window": 5}}
# Relative to the largest value of each array: float32, convolutions summed in another order, and
# gradients through three squarings.
TOLERANCE = 2e-4


def compute(folder, *kinds):
    """Everything that is compared, on the backend of this process."""
    import keras

    folder = Path(folder)
    data = dict(np.load(folder / "inputs.npz"))
    pair = {key: data[key] for key in ("moving", "fixed")}
    found = {f"parts/{key}": value for key, value in parts(data).items()}
    for kind in kinds:
        found |= {f"{kind}/{key}": value for key, value in network_on(pair, kind).items()}
    results = folder / f"{keras.backend.backend()}.npz"
    np.savez(results, **{k: keras.ops.convert_to_numpy(v) for k, v in found.items()})


def network_on(pair, kind):
    """Outputs, terms of the loss and gradients of a network."""
    from pmrnet.nn.build import build_network, build_objective

    objective = build_objective(OBJECTIVES.get(kind, {}))
    network = build_network({"type": kind, **CONFIGS[kind]}, objective)
    network.build({key: value.shape for key, value in pair.items()})
    for weight in network.trainable_weights:
        weight.assign(weights_of(weight))
    found = {f"outputs/{key}": value for key, value in network(pair).items()}

    terms, gradients = loss_and_gradients(network, pair)
    found |= {f"terms/{key}": value for key, value in terms.items()}
    found |= {
        f"gradient/{weight.path}": gradient
        for weight, gradient in zip(network.trainable_weights, gradients, strict=True)
    }
    return found


def parts(data):
    """Losses, integration and warps of given tensors, and their gradients."""
    import keras

    from pmrnet.nn import losses
    from pmrnet.spatial import integrate, upsample_field, warp

    found = {}
    mean, log_variance = data["mean"], data["log_variance"]
    for weighting in losses.WEIGHTINGS:
        found[f"kl/{weighting}"] = losses.kl_to_prior(mean, log_variance, 10.0, weighting)
    displacement = upsample_field(integrate(mean, 7), 1)
    found |= {"displacement": displacement, "warped": warp(data["moving"], displacement)}
    for name, function, argument in (
        ("kl", lambda s: losses.kl_to_prior(mean, s, 10.0), log_variance),
        ("integrate", lambda v: keras.ops.sum(integrate(v, 7) ** 2), mean),
        ("warp", lambda x: keras.ops.sum(warp(x, displacement) ** 2), data["moving"]),
    ):
        found[f"gradient_of/{name}"] = gradient_of(function, argument)
    return found


def weights_of(weight):
    """Fixed weights of ordinary size; fields of a voxel or two, samples without noise."""
    if weight.path.endswith("log_variance/bias"):
        return np.full(weight.shape, -60.0)
    if "log_variance" in weight.path and weight.path.endswith("beta"):
        return np.full(weight.shape, -300.0)  # before LeakyReLU
    rng = np.random.default_rng(list(weight.path.encode()))
    if weight.path.endswith("gamma"):
        return 1 + rng.normal(0, 0.1, weight.shape)
    if weight.ndim == 1:
        return rng.normal(0, 0.1, weight.shape)
    return rng.normal(0, np.sqrt(2 / np.prod(weight.shape[:-1])), weight.shape)


def loss_and_gradients(network, pair):
    """Terms of equation 5 in training, and the gradient of their sum by the trainable weights."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        def loss(trainable):
            outputs, _ = network.stateless_call(
                trainable, [v.value for v in network.non_trainable_variables], pair, training=True
            )
            terms = network.objective(pair["fixed"], outputs)
            return sum(terms.values()), terms

        values = [v.value for v in network.trainable_variables]
        gradients, terms = jax.jit(jax.grad(loss, has_aux=True))(values)
        return terms, gradients
    import tensorflow as tf

    with tf.GradientTape() as tape:
        terms = network.objective(pair["fixed"], network(pair, training=True))
        total = sum(terms.values())
    return terms, tape.gradient(total, [v.value for v in network.trainable_variables])


def gradient_of(function, argument):
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function)(argument)
    import tensorflow as tf

    tensor = tf.constant(argument)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = function(tensor)
    return tape.gradient(value, tensor)


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """What both backends find on a grid; each in one process for all networks there."""
    found = {}

    def on(grid, rng, smooth_field):
        if grid not in found:
            found[grid] = run_both(tmp_path_factory.mktemp(grid), grid, rng, smooth_field)
        return found[grid]

    return on


def run_both(folder, grid, rng, smooth_field):
    shape = GRIDS[grid]
    half = tuple(n // 2 for n in shape)
    np.savez(
        folder / "inputs.npz",
        moving=rng.random((1, *shape, 1)).astype(np.float32),
        fixed=rng.random((1, *shape, 1)).astype(np.float32),
        mean=smooth_field(half, 3.0),
        log_variance=rng.normal(-3, 1, (1, *half, len(shape))).astype(np.float32),
    )
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder), *KINDS[grid]],
            env=environment(backend),
            stderr=subprocess.PIPE,
            text=True,
        )
        for backend in BACKENDS
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-4000:]
    return [dict(np.load(folder / f"{backend}.npz")) for backend in BACKENDS]


@needs_jax
@pytest.mark.parametrize(
    ("grid", "kind"),
    [
        ("2D", "parts"),
        ("2D", "pmrnet"),
        *(pytest.param("3D", k, marks=pytest.mark.slow) for k in ("parts", *KINDS["3D"])),
    ],
)
def test_tensorflow_and_jax_agree(rng, smooth_field, computed, grid, kind):
    ours, theirs = (
        {key.removeprefix(f"{kind}/"): v for key, v in found.items() if key.startswith(f"{kind}/")}
        for found in computed(grid, rng, smooth_field)
    )
    assert ours
    assert set(ours) == set(theirs)
    for key, value in ours.items():
        assert np.isfinite(value).all(), key
        scale = np.abs(value).max()
        assert scale > 0, key
        if key.startswith("gradient/"):
            # What a normalisation cancels is rounding alone; others are of the order of 1.
            scale = max(scale, 1e-2)
        np.testing.assert_allclose(theirs[key], value, rtol=0, atol=TOLERANCE * scale, err_msg=key)
    field = theirs["displacement" if kind == "parts" else "outputs/displacement"]
    assert 0.5 < np.abs(field).max() < 20


if __name__ == "__main__":
    compute(*sys.argv[1:])
