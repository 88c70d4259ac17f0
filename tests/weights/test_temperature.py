"""A temperature beside weights: found again, and never taken for other weights."""

import json
from typing import ClassVar

import pytest

from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.weights import available, load_network, save_weights
from pmrnet.weights.passes import looking
from pmrnet.weights.temperature import (
    choose_temperature,
    fits,
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


@pytest.mark.parametrize(
    ("fitted", "looks", "same"), [(1, None, True), (2, 2, True), (2, 4, False), (2, None, False)]
)
def test_one_of_another_number_of_passes_is_not_the_fitted_one(weights, fitted, looks, same):
    sha256 = json.loads(weights.read_text())["sha256"]
    write_temperature(weights, sha256, 12.5, {}, fitted)
    description = load_network(weights)[1]
    description["network"] |= {} if looks is None else {"passes": looks}
    assert fits(description["calibration"], description) is same
    assert choose_temperature(None, description) == 12.5
    if same:
        assert choose_temperature("fitted", description) == 12.5
    else:
        sentence = f"fitted with {looks or 1} passes, found one fitted with {fitted};"
        with pytest.raises(InputError, match=sentence):
            choose_temperature("fitted", description)


def test_an_older_one_does_not_say_its_passes(weights):
    sha256 = json.loads(weights.read_text())["sha256"]
    path = write_temperature(weights, sha256, 12.5, {}, 2)
    record = json.loads(path.read_text())
    del record["passes"]
    path.write_text(json.dumps(record))
    assert fits(read_temperature(weights, sha256), {"network": {"passes": 7}})
    assert not fits(None, {"network": {}})


@pytest.mark.parametrize("name", available())
def test_shipped_temperatures_are_of_the_passes_that_registrations_take(name):
    _, description = looking(*load_network(name))
    assert description["calibration"] is None or fits(description["calibration"], description)


@pytest.mark.parametrize(
    "content",
    ["{", "{}", '{"temperature": "hot"}', "[]", None, '{"temperature": 2, "passes": "two"}'],
)
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
    bare: ClassVar = {"weights": "net.weights.h5", "network": {}, "calibration": None}
    fitted: ClassVar = bare | {"calibration": {"temperature": 12.5}}

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
