"""VoxelMorph 0.2 beside Keras 3."""

import inspect
import sys

import keras
import pytest

from pmrnet.errors import InputError
from pmrnet.voxelmorph_compat import import_voxelmorph


def test_keras_stays_keras_3(voxelmorph):
    assert voxelmorph.__version__ == "0.2"
    assert keras.__version__.startswith("3.")
    assert issubclass(voxelmorph.networks.VxmDense, sys.modules["tf_keras"].Model)
    assert not issubclass(voxelmorph.networks.VxmDense, keras.Model)
    assert not hasattr(inspect, "getargspec")  # lent for the import only
    assert import_voxelmorph() is voxelmorph


def test_its_network_runs(voxelmorph, rng):
    model = voxelmorph.networks.VxmDense((16, 16), nb_unet_features=[[4], [4, 4]], int_steps=2)
    pair = [rng.random((1, 16, 16, 1)).astype("float32") for _ in range(2)]
    moved, _ = model.predict(pair, verbose=0)
    assert moved.shape == (1, 16, 16, 1)


@pytest.mark.parametrize("package", ["voxelmorph", "tf_keras"])
def test_absence_is_answered_with_the_command(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r'pip install "voxelmorph==0\.2"'):
        import_voxelmorph()


def test_another_version_is_named(monkeypatch):
    other = type(sys)("voxelmorph")
    other.__version__ = "0.3"
    monkeypatch.setitem(sys.modules, "voxelmorph", other)
    pytest.importorskip("tf_keras")
    with pytest.raises(InputError, match=r"found 0\.3"):
        import_voxelmorph()
