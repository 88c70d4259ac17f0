"""Displacements between prepared subjects, whatever the resolution of the network."""

from types import SimpleNamespace

import numpy as np
import pytest

from pmrnet.errors import InputError
from pmrnet.inference import PairRegistrar, Registrar, registrar_of
from pmrnet.network_field import FieldModel
from pmrnet.nn.build import network_with_weights
from pmrnet.refinement_settings import Refinement


class ConstantShift:
    """Stands for a network that moves everything by one voxel of its own grid along y."""

    multiple = 1

    def predict_on_batch(self, images):
        self.shape = images["moving"].shape
        displacement = np.zeros((*self.shape[:-1], 3), np.float32)
        displacement[..., 1] = 1.0
        return {"displacement": displacement}


def subject(name, shape=(8, 12, 4)):
    image = np.random.default_rng(len(name)).random(shape, dtype=np.float32)
    return SimpleNamespace(
        name=name, spacing=1, image_at=lambda s: image[tuple(3 * [slice(None, None, s)])]
    )


@pytest.mark.parametrize("spacing", [1, 2, 4])
def test_displacement_is_in_voxels_of_the_stored_grid(spacing):
    network = ConstantShift()
    field = Registrar(network, spacing).displacement(subject("a"), subject("bb"))
    assert network.shape == (1, 8 // spacing, 12 // spacing, 4 // spacing, 1)
    assert field.shape == (8, 12, 4, 3)
    # A voxel of the network's grid is `spacing` voxels of the stored one.
    np.testing.assert_allclose(field[..., 1], spacing)
    np.testing.assert_allclose(field[..., [0, 2]], 0)


def test_refining_registers_as_the_command_does(monkeypatch):
    seen = {}

    def field(self, moving, fixed, refine):
        seen.update(moving=moving, fixed=fixed, refine=refine)
        return SimpleNamespace(displacement="u")

    monkeypatch.setattr(FieldModel, "field", field)
    network = SimpleNamespace(has_velocity=True)
    registrar = PairRegistrar(network, {"spacing": 2}, Refinement())
    moving, fixed = subject("a"), subject("bb")
    assert registrar.displacement(moving, fixed) == "u"
    assert seen["refine"] == registrar.settings == Refinement()
    np.testing.assert_array_equal(seen["moving"], moving.image_at(1))
    np.testing.assert_array_equal(seen["fixed"], fixed.image_at(1))
    fixed.spacing = 2
    with pytest.raises(InputError, match="expected subjects stored at 1 mm, found 1 and 2 mm"):
        registrar.displacement(moving, fixed)
    with pytest.raises(InputError, match="a velocity"):
        PairRegistrar(SimpleNamespace(has_velocity=False), {"spacing": 2, "network": {}})


def test_a_row_of_more_passes_is_registered_by_them():
    config = {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]}
    network, description = network_with_weights(config), {"spacing": 2, "network": config}
    assert registrar_of("general", network, description).network is network
    for method in ("general-three-passes", "general-three-passes@lpba40"):
        assert registrar_of(method, network, description).network.passes == 3
    coarse_to_fine = registrar_of("general-1mm-coarse-to-fine", network, description).network
    assert (coarse_to_fine.passes, coarse_to_fine.coarse_passes) == (3, 1)
    refining = registrar_of("general-three-passes-refined", network, description)
    assert refining.model.network.passes == 3


def test_a_row_of_both_directions_is_registered_so():
    config = {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]}
    network, description = network_with_weights(config), {"spacing": 2, "network": config}
    for name, refine in (("", None), ("-refined", Refinement())):
        registrar = registrar_of(f"general-three-passes-symmetric{name}", network, description)
        assert registrar.model.symmetric
        assert registrar.model.network.passes == 3
        assert registrar.settings == refine
    assert not registrar_of("general-refined", network, description).model.symmetric


def test_a_refined_row_is_registered_by_refinement_everywhere():
    network, description = SimpleNamespace(has_velocity=True), {"spacing": 2}
    for method, kind in (
        ("pmrnet", Registrar),
        ("pmrnet@lpba40", Registrar),
        ("mine", Registrar),
        ("pmrnet-refined", PairRegistrar),
        ("pmrnet-refined@lpba40", PairRegistrar),
    ):
        assert type(registrar_of(method, network, description)) is kind
