"""A temperature beside weights: found again, and never taken for other weights."""

import json
from typing import ClassVar

import pytest

from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.weights import available, load_network, save_weights
from pmrnet.weights.temperature import (
    choose_temperature,
    parse_temperature,
    read_temperature,
    temperature_path,
    write_temperature,
)

CONFIG = {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]}


@pytest.fixture
def weights(tmp_path):
    network = build_network(CONFIG)
    network.build()
    return save_weights(network, CONFIG, tmp_path / "net", spacing=2, training={})


def test_loads_with_the_weights(weights):
    _, description = load_network(weights)
    assert description["calibration"] is None
    path = write_temperature(weights, description["sha256"], 12.5, {"fitted_on": "pairs"})
    assert path.name == "net.calibration.json"
    _, description = load_network(weights)
    assert description["calibration"]["temperature"] == 12.5
    assert description["calibration"]["provenance"] == {"fitted_on": "pairs"}


def test_one_of_other_weights_does_not_count(weights):
    write_temperature(weights, "0" * 64, 12.5, {})
    assert load_network(weights)[1]["calibration"] is None


@pytest.mark.parametrize("content", ["{", "{}", '{"temperature": "hot"}', "[]", None])
def test_damaged_file(weights, content):
    sha256 = json.loads(weights.read_text())["sha256"]
    path = write_temperature(weights, sha256, 12.5, {})
    if content is None:
        content = path.read_text().replace("12.5", "-1")
    path.write_text(content)
    with pytest.raises(InputError, match="expected a temperature above 0"):
        read_temperature(weights, sha256)


def test_is_no_name_of_shipped_weights():
    assert not [name for name in available() if name.endswith("calibration")]


def test_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can be written to"):
        write_temperature(tmp_path / "file" / "net.json", "0" * 64, 2.0, {})


def test_path_keeps_dots(tmp_path):
    assert temperature_path(tmp_path / "a.b.json").name == "a.b.calibration.json"


class TestChoice:
    fitted: ClassVar = {"weights": "net.weights.h5", "calibration": {"temperature": 12.5}}
    bare: ClassVar = {"weights": "net.weights.h5", "calibration": None}

    def test_fitted_is_the_default_where_there_is_one(self):
        assert choose_temperature(None, self.fitted) == 12.5
        assert choose_temperature(None, self.bare) == 1
        assert choose_temperature(None, {}) == 1

    def test_a_number_is_taken(self):
        assert choose_temperature(1.0, self.fitted) == 1
        assert choose_temperature(3, self.bare) == 3

    def test_fitted_is_needed_if_asked_for(self):
        assert choose_temperature("fitted", self.fitted) == 12.5
        with pytest.raises(InputError, match=r"none beside net\.weights\.h5"):
            choose_temperature("fitted", self.bare)

    @pytest.mark.parametrize("wrong", ["hot", "0", "-2", "nan", "inf", ""])
    def test_no_number(self, wrong):
        with pytest.raises(InputError, match="--temperature: expected"):
            parse_temperature(wrong)
        with pytest.raises(InputError):
            choose_temperature(wrong or "0", self.bare)

    def test_command_line(self):
        assert parse_temperature("fitted") == "fitted"
        assert parse_temperature("2.5") == 2.5
