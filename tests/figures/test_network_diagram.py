import re

import keras
import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.figures.network_diagram import draw_network
from pmrnet.figures.network_parts import network_parts
from pmrnet.figures.style import texts_of
from pmrnet.nn.build import NETWORKS, build_network
from pmrnet.nn.network import Inference, RegistrationNetwork

CONFIGS = {
    "pmrnet": {
        "type": "pmrnet",
        "filters": (5, 6),
        "hidden_filters": (3, 7),
        "hidden_kernels": (1, 3),
    },
    "last": {
        "type": "pmrnet",
        "filters": (5, 6),
        "hidden_filters": (3, 7),
        "hidden_kernels": (1, 3),
        "levels": (2,),
    },
    "plus": {
        "type": "pmrnet-plus",
        "filters": (5, 6),
        "hidden_filters": (3, 7),
        "hidden_kernels": (1, 3),
        "top_down": True,
        "repeats": (1, 2),
        "cost_radius": 1,
        "shared_encoder": True,
    },
    "concatenation": {
        "type": "concatenation",
        "filters": (5, 6),
        "hidden_filters": (3, 7),
        "hidden_kernels": (1, 3),
    },
    "voxelmorph": {"type": "voxelmorph", "filters": (5, 6), "decoder_filters": (7, 8, 9)},
    "voxelmorph-0.2": {
        "type": "voxelmorph",
        "filters": (5, 6),
        "decoder_filters": (7, 8, 9),
        "flavour": "0.2",
    },
}
CONFIGS["deep"] = CONFIGS["pmrnet"] | {"hidden_kernels": (3, 3), "hidden_layers": (3, 1)}
CONFIGS["concatenation-deep"] = CONFIGS["concatenation"] | {"hidden_layers": (1, 4)}
SHAPE = (8, 12, 16)


def built(config):
    network = build_network(config)
    network.build()
    return network


@pytest.mark.parametrize("name", CONFIGS)
def test_grids_and_channels_are_those_of_a_real_run(name):
    network = built(CONFIGS[name])
    boxes = network_parts(network, SHAPE).boxes
    images = [np.random.default_rng(i).random((1, *SHAPE, 1), np.float32) for i in (0, 1)]
    found = network({"moving": images[0], "fixed": images[1]}, training=True)

    def says(box):
        return (*boxes[box].grid, boxes[box].channels)

    assert says("velocity") == says("integrated") == tuple(found["velocity"].shape[1:])
    assert says("displacement") == tuple(found["displacement"].shape[1:])
    assert says("moved") == tuple(found["moved"].shape[1:])
    if name in ("pmrnet", "deep", "last", "plus"):
        encoders = {"moving": network.moving_encoder, "fixed": network.fixed_encoder}
        for (key, encoder), image in zip(encoders.items(), images, strict=True):
            for level, features in enumerate(encoder(image), start=1):
                assert says(f"{key}{level}") == tuple(features.shape[1:])
        levels = found["inference"]["levels"]
        for number, level in zip(network.levels, levels, strict=True):
            assert says(f"posterior{number}") == tuple(level["mean"].shape[1:])
            assert says(f"warped{number}") == tuple(level["moved_features"].shape[1:])
    if name.startswith("voxelmorph"):
        for level, features in enumerate(network.encoder(np.concatenate(images, -1)), start=1):
            assert says(f"encoder{level}") == tuple(features.shape[1:])


@pytest.mark.parametrize("name", CONFIGS)
def test_every_layer_with_weights_is_drawn_once(name):
    network = built(CONFIGS[name])
    operations = " ".join(box.operation for box in network_parts(network, SHAPE).boxes.values())
    layers = [x for x in network._flatten_layers() if isinstance(x, keras.layers.Conv3D)]
    # The two heads of a posterior are said as one.
    heads = sum(layer.name == "mean" for layer in layers)
    repeated = sum(int(count) - 1 for count in re.findall(r"(\d+) × conv", operations))  # noqa: RUF001
    assert operations.count("conv") + repeated + 2 * operations.count("heads") == len(layers)
    assert operations.count("heads") == heads > 0


@pytest.mark.parametrize("name", CONFIGS)
def test_arrows_lead_from_both_images_to_the_moved_one(name):
    parts = network_parts(built(CONFIGS[name]), SHAPE)
    forward = {(a, b) for a, b, training in parts.arrows if not training}
    for start in ("moving", "fixed"):
        reached, found = {start}, set()
        while reached != found:
            found = set(reached)
            reached |= {b for a, b in forward if a in found}
        assert "moved" in reached
        assert not any(box.startswith("warped") for box in reached)


def test_fusion_takes_the_levels_that_there_are():
    arrows = network_parts(built(CONFIGS["last"]), SHAPE).arrows
    assert [a for a, b, _ in arrows if b == "velocity"] == ["posterior2"]
    arrows = network_parts(built(CONFIGS["plus"]), SHAPE).arrows
    assert ("posterior2", "posterior1", False) in arrows


def test_a_picture_says_shapes_and_title():
    figure = draw_network(built(CONFIGS["pmrnet"]), SHAPE, "a title")
    texts = texts_of(figure)
    assert {"a title", "4×6×8, 5 ch.", "2×3×4, 6 ch.", "conv 1³ → 3, heads 3³"} <= set(texts)  # noqa: RUF001
    figure.canvas.draw()


@pytest.mark.parametrize("kind", NETWORKS)
def test_all_types_with_their_defaults(kind):
    draw_network(built({"type": kind})).canvas.draw()


def test_an_unknown_network_is_listed():
    class Other(RegistrationNetwork):
        def build(self, input_shape=None):
            self.head = keras.layers.Conv3D(3, 5, strides=2, padding="same")
            self.head.build((1, None, None, None, 2))
            super().build(input_shape)

        def infer(self, moving, fixed, training):
            return Inference(self.head(keras.ops.concatenate([moving, fixed], -1)))

    network = Other()
    network.build()
    parts = network_parts(network, (16, 16, 16))
    boxes = parts.boxes
    assert "connections are not drawn" in parts.note
    assert boxes["layer0"].operation == "conv 5³, stride 2"
    assert boxes["layer0"].channels == 3


def test_a_grid_that_cannot_be_halved():
    with pytest.raises(InputError, match="multiples of 4"):
        draw_network(built(CONFIGS["pmrnet"]), (8, 12, 18))


def test_a_network_without_a_velocity_has_no_integration():
    boxes = network_parts(built({"type": "faim"}), (16, 16, 16)).boxes
    assert not {"velocity", "integrated"} & set(boxes)
    assert (boxes["displacement"].grid, boxes["displacement"].channels) == ((16, 16, 16), 3)
