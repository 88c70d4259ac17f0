"""Versions of Python and packages, and Keras' backend."""

import json
import platform
from importlib import metadata

import pytest

from pmrnet import keras_settings
from pmrnet.doctor import packages
from pmrnet.doctor.packages import backend_findings, package_findings

REQUIRES = ["numpy>=1.26", "keras>=3.12", "voxelmorph==0.2; extra == 'voxelmorph'"]
REQUIRES += ["jax>=0.4.34; extra == 'jax'"]


@pytest.fixture
def installed(monkeypatch):
    """Versions of the packages, to be changed, and what `pmrnet` requires."""
    versions = {"numpy": "2.0.1", "keras": "3.12.0"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(packages.metadata, "version", version)
    monkeypatch.setattr(packages.metadata, "requires", lambda _: REQUIRES)
    monkeypatch.setattr(packages.metadata, "metadata", lambda _: {"Requires-Python": ">=3.11"})
    monkeypatch.setattr(platform, "python_version", lambda: versions.get("python", "3.11.9"))
    return versions


def levels(findings):
    return [finding.level for finding in findings]


def test_all_is_well(installed, tmp_path, monkeypatch):
    (tmp_path / "requirements.txt").write_text("# tested\nnumpy==2.0.1\nKeras==3.15.1\n")
    monkeypatch.setattr(packages, "_ROOT", tmp_path)
    findings = package_findings()
    assert levels(findings) == ["ok", "ok"]
    assert findings[0].what == "Python 3.11.9."
    assert findings[1].what == "Packages: numpy 2.0.1, keras 3.12.0 (tested with 3.15.1)."


@pytest.mark.parametrize(
    ("name", "version", "what"),
    [
        ("python", "3.10.1", "Python 3.10.1, needed is >=3.11"),
        ("keras", "3.9.2", "Package keras is 3.9.2, needed is >=3.12"),
        ("numpy", None, "Package numpy is not installed"),
        ("jax", "0.4.1", "Package jax is 0.4.1, needed is >=0.4.34"),
    ],
)
def test_what_is_wrong(installed, name, version, what):
    if version is None:
        del installed[name]
    else:
        installed[name] = version
    wrong = [finding for finding in package_findings() if finding.level != "ok"]
    assert levels(wrong) == ["error"]
    assert what in wrong[0].what
    assert wrong[0].advice


def test_a_version_before_a_release_counts(installed):
    installed["keras"] = "3.13.0rc1"
    assert set(levels(package_findings())) == {"ok"}


def test_packages_that_only_extras_want_are_not_asked_for(installed):
    assert "voxelmorph" not in str(package_findings())
    assert "jax" not in str(package_findings())


def test_the_package_itself_may_not_be_installed(monkeypatch):
    def metadata_of(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages.metadata, "metadata", metadata_of)
    findings = package_findings()
    assert levels(findings) == ["warning"]
    assert "pip install --editable" in findings[0].advice


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """Keras' settings as a function writes them, with nothing set in the environment."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    for module in (packages, keras_settings):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == "jax" else name)
    return lambda **content: (tmp_path / "keras.json").write_text(json.dumps(content))


def test_the_backend_is_tensorflow_if_nothing_is_said(keras_home, installed):
    installed["tensorflow"] = "2.21.0"
    (finding,) = backend_findings()
    assert (finding.level, finding.what) == ("ok", "Keras backend: tensorflow 2.21.0")


def test_the_environment_wins_over_the_settings(keras_home, monkeypatch, tmp_path):
    keras_home(backend="jax")
    (finding,) = backend_findings()
    assert finding.level == "error"
    assert f"{tmp_path}/keras.json names jax, which is not installed" in finding.what
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    (finding,) = backend_findings()
    assert finding.level == "error"
    assert "KERAS_BACKEND names 'torch'" in finding.what
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert levels(backend_findings()) == ["ok"]


def test_settings_that_change_numbers(keras_home):
    keras_home(floatx="float16", image_data_format="channels_first", epsilon=1e-7)
    first, *others = backend_findings()
    assert first.level == "ok"
    assert levels(others) == ["error", "error"]
    assert "'float16'" in others[0].what
    assert "'channels_first'" in others[1].what


@pytest.mark.parametrize("text", ["{", "[1]", ""])
def test_damaged_settings_are_as_none(keras_home, tmp_path, text):
    (tmp_path / "keras.json").write_text(text)
    assert levels(backend_findings()) == ["ok"]


def test_this_environment():
    findings = package_findings()
    assert findings[0] == packages.Finding("ok", f"Python {platform.python_version()}.")
    assert "error" not in levels(findings)
    assert any(f"keras {metadata.version('keras')}" in finding.what for finding in findings)
