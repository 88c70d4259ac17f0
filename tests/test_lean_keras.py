"""Keras in a process of its own comes without scikit-learn and the like, which stay usable."""

import subprocess
import sys

import pytest

from pmrnet.lean_keras import CONVENIENCES, hidden


def in_a_process(*lines):
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


IMPORT = ("import sys", "from pmrnet.lean_keras import claim_process, import_keras")
LOADED = f"print('keras', *[name for name in {CONVENIENCES} if name in sys.modules])"


def test_a_claimed_process_does_not_load_them_and_can_all_the_same():
    use = "import sklearn, pandas; print(pandas.DataFrame([1]).shape[0], 'rows')"
    found = in_a_process(*IMPORT, "claim_process()", "import_keras()", LOADED, use)
    assert found == ["keras", "1", "rows"]


def test_a_command_loads_its_network_without_them():
    load = "from pmrnet.registration_method import load_method; load_method('lpba40-pmrnet')"
    assert in_a_process(*IMPORT, "claim_process()", load, LOADED) == ["keras"]


def test_another_process_has_them():
    # scikit-learn and pandas come with nilearn.
    assert {"sklearn", "pandas"} <= set(in_a_process(*IMPORT, "import_keras()", LOADED))


def test_only_what_is_not_there_yet_is_hidden():
    import json

    sys.modules.pop("this", None)
    with hidden("json", "this"):
        assert sys.modules["json"] is json
        with pytest.raises(ModuleNotFoundError):
            import this  # noqa: F401
    assert "this" not in sys.modules
    assert sys.modules["json"] is json


def test_they_are_back_after_an_error():
    with pytest.raises(KeyError), hidden("this"):
        raise KeyError
    assert "this" not in sys.modules
