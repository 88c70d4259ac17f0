"""The authors' own networks and ours give the same outputs with the same weights."""

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from pmrnet.errors import InputError
from pmrnet.nn.voxelmorph import VoxelMorph
from pmrnet.weights.voxelmorph_h5 import load_voxelmorph_weights

GRID = (32, 16, 48)
FILTERS = {"filters": (4, 6, 5, 7), "decoder_filters": (5, 6, 4, 3, 8)}


def ours(flavour):
    network = VoxelMorph(**FILTERS, flavour=flavour)
    network.build(dict.fromkeys(("moving", "fixed"), (1, *GRID, 1)))
    return network


def posterior(network, pair):
    drawn = network.draw(pair["moving"], pair["fixed"])
    return [ops.convert_to_numpy(x) for x in (drawn.mean, drawn.log_variance)]


@pytest.fixture
def pair(rng):
    return {key: rng.random((1, *GRID, 1)).astype(np.float32) for key in ("moving", "fixed")}


@pytest.fixture
def theirs(voxelmorph):
    """VoxelMorph 0.2's probabilistic network with random weights, all of them of consequence."""
    features = [list(FILTERS["filters"]), list(FILTERS["decoder_filters"])]
    model = voxelmorph.networks.VxmDense(
        GRID, features, int_steps=7, int_downsize=2, use_probs=True, unet_half_res=True
    )
    rng = np.random.default_rng(3)
    model.set_weights([0.2 * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def test_outputs_are_voxelmorphs(theirs, pair, tmp_path):
    import tf_keras

    path = tmp_path / "weights.h5"
    theirs.save_weights(path)
    network = ours("0.2")
    load_voxelmorph_weights(network, path)
    heads = ("vxm_dense_flow", "vxm_dense_log_sigma")
    of_heads = tf_keras.Model(theirs.inputs, [theirs.get_layer(name).output for name in heads])
    expected = of_heads.predict_on_batch([pair["moving"], pair["fixed"]])
    assert np.abs(expected[0]).max() > 0.5
    for mine, other in zip(posterior(network, pair), expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)
    # And from the mean on, where theirs samples: without noise.
    head = theirs.get_layer("vxm_dense_log_sigma")
    head.set_weights([0 * head.get_weights()[0], 0 * head.get_weights()[1] - 80])
    references = [theirs.references.y_source, theirs.references.pos_flow]
    register = tf_keras.Model(theirs.inputs, references)
    moved, displacement = register.predict_on_batch([pair["moving"], pair["fixed"]])
    outputs = network(pair)
    assert np.abs(displacement).max() > 1
    for name, other in (("displacement", displacement), ("moved", moved)):
        mine = ops.convert_to_numpy(outputs[name])
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-3 * np.abs(other).max())


def test_file_of_2018(pair, tmp_path, rng):
    """Layers of that time are numbered through; Keras 2 nests each in a group of its own name."""
    source = ours("2018")
    layers = [*source.encoder.convolutions, *source.decoder]
    named = [(f"conv3d_{number}", layer) for number, layer in enumerate(layers, start=1)]
    named += [("flow", source.posterior_model.mean)]
    named += [("log_sigma", source.posterior_model.log_variance)]
    for _, layer in named:
        layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    path = tmp_path / "miccai2018.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = b"never read"
        for name, layer in named:
            group = file.create_group(f"model_weights/{name}/{name}")
            group["kernel:0"], group["bias:0"] = layer.get_weights()
    network = ours("2018")
    load_voxelmorph_weights(network, path)
    for mine, other in zip(posterior(network, pair), posterior(source, pair), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_refuses_other_files_and_leaves_the_weights(tmp_path, rng):
    network = ours("2018")
    before = network.get_weights()
    path = tmp_path / "x.h5"
    path.write_text("no HDF5")
    with pytest.raises(InputError, match=r"expected a Keras \.h5 file"):
        load_voxelmorph_weights(network, path)
    with h5py.File(path, "w") as file:
        file["conv3d_1/conv3d_1/kernel:0"] = np.zeros((3, 3, 3, 2, 4))
    with pytest.raises(InputError, match="expected 9 convolutions before the heads, found 1"):
        load_voxelmorph_weights(network, path)
    with h5py.File(path, "w") as file:
        for number, layer in enumerate([*network.encoder.convolutions, *network.decoder], start=1):
            file[f"conv3d_{number}/kernel:0"], file[f"conv3d_{number}/bias:0"] = layer.get_weights()
        file["flow/kernel:0"], file["flow/bias:0"] = np.zeros((3, 3, 3, 8, 3)), np.zeros(3)
    with pytest.raises(InputError, match="with a posterior"):
        load_voxelmorph_weights(network, path)
    with h5py.File(path, "a") as file:
        file["log_sigma/kernel:0"], file["log_sigma/bias:0"] = (
            np.zeros((1, 1, 1, 8, 3)),
            np.zeros(3),
        )
    with pytest.raises(InputError, match="log_variance"):
        load_voxelmorph_weights(network, path)
    assert all((a == b).all() for a, b in zip(before, network.get_weights(), strict=True))


def test_config_survives():
    network = ours("0.2")
    again = VoxelMorph.from_config(network.get_config())
    assert again.get_config() == network.get_config()
    assert isinstance(again, keras.Model)
