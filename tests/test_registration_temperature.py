"""The temperature of a registration's uncertainty: chosen, applied, said."""

from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from pmrnet.cli import main
from pmrnet.errors import InputError
from pmrnet.registration import register_aligned

SHAPE = (7, 8, 9)
GRID_TO_NATIVE = np.diag([0.5, 0.5, 0.5, 1.0])


def brain():
    return SimpleNamespace(
        network_image=np.ones(SHAPE, np.float32),
        brain=nib.Nifti1Image(np.ones(SHAPE, np.float32), np.diag([2, 3, 4, 1])),
        placement=SimpleNamespace(affine=np.diag([2, 3, 4, 1]), grid_to_native=GRID_TO_NATIVE),
        on_native_grid=lambda values: values,
    )


def deviation(temperature, to_mm):
    # From the network grid to the moving image's millimetres.
    np.testing.assert_array_equal(to_mm, np.diag([1.0, 1.5, 2.0]))
    return np.full(SHAPE, 0.5 * temperature**0.5)


def model(calibration=None):
    field = SimpleNamespace(
        displacement=np.zeros((*SHAPE, 3), np.float32),
        standard_deviation=deviation,
    )
    description = {"weights": "net.weights.h5", "network": {}, "calibration": calibration}
    return SimpleNamespace(description=description, field=lambda *_: field)


@pytest.mark.parametrize(
    ("wanted", "calibration", "expected"),
    [
        (None, None, 0.5),
        (None, {"temperature": 9.0}, 1.5),
        ("fitted", {"temperature": 9.0}, 1.5),
        (1.0, {"temperature": 9.0}, 0.5),
        (4.0, None, 1.0),
    ],
)
def test_uncertainty_grows_with_the_root(wanted, calibration, expected):
    registration = register_aligned(brain(), brain(), model(calibration), temperature=wanted)
    assert registration.temperature == (2 * expected) ** 2
    np.testing.assert_allclose(registration.uncertainty.get_fdata(), expected)


def test_fitted_must_be_there():
    with pytest.raises(InputError, match="run `pmrnet calibrate`"):
        register_aligned(brain(), brain(), model(), temperature="fitted")


def test_command_refuses_what_is_no_temperature(tmp_path, capsys):
    arguments = ["register", "a.nii", "b.nii", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--temperature", "hot"]) == 2
    assert "--temperature: expected `fitted` or a number above 0" in capsys.readouterr().err
