"""Small subjects, protocols and provenance for the tests of scoring."""

from types import SimpleNamespace

import numpy as np

from pmrnet.protocol import Protocol


def oblique(rng, scale=0.15, shift=1.0):
    """A 4x4 affine near the identity, with rotation, shear, scaling and translation."""
    matrix = np.eye(4)
    matrix[:3, :3] += scale * rng.uniform(-1, 1, (3, 3))
    matrix[:3, 3] = shift * rng.uniform(-1, 1, 3)
    return matrix


def blocks(rng, shape, labels=(1, 2, 3, 4)):
    """Label volume of random blocks, so that neighbours mostly agree, as in real labels."""
    coarse = rng.choice((0, *labels), size=[-(-n // 2) for n in shape])
    fine = coarse.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    return np.ascontiguousarray(fine[tuple(map(slice, shape))]).astype(np.uint8)


def subject(name, data, grid_to_native=None, native_affine=None):
    return SimpleNamespace(
        name=name,
        grid_to_native=np.eye(4) if grid_to_native is None else grid_to_native,
        native_affine=np.eye(4) if native_affine is None else native_affine,
        native_shape=data.shape,
        labels=lambda: SimpleNamespace(data=data),
    )


def tiny_protocol(name="tiny", **changes):
    content = {
        "name": name,
        "train": ("a", "b"),
        "validation": ("c", "d"),
        "test": ("p", "q", "r"),
        "labels": {3: "three", 1: "one", 2: "two", 4: "four"},
        "groups": {"Left": (1, 2), "Right": (3,)},
    }
    return Protocol(**(content | changes))


def provenance(weights="w" * 64, config="c" * 64):
    return {
        "package": "pmrnet 0.0",
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "machine": {"cpu": "Abacus", "cores": 2},
        "weights_sha256": weights,
        "config_sha256": config,
        "data": {"name": "tiny"},
        "created": "2020-01-02T03:04:05+00:00",
    }
