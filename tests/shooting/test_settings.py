"""Settings and the experiment file's section."""

import pytest

from pmrnet.errors import InputError
from pmrnet.shooting import ShootingSettings


def test_section_of_an_experiment_file():
    content = {"scales": [8.0, 4], "spacings": [2], "iterations": [7], "weights": None}
    settings = ShootingSettings.from_mapping(content, "a.yaml")
    assert settings.scales == (8.0, 4)
    assert settings.iterations == (7,)
    assert settings.time_steps == ShootingSettings().time_steps
    assert ShootingSettings(**settings.as_dict()) == settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a mapping of settings, found None"),
        ({"scale": [3.0]}, "found scale;"),
        ({"scales": []}, "shooting.scales: expected a list of positive numbers"),
        ({"scales": [3.0, -1.0]}, "shooting.scales"),
        ({"scales": "3"}, "shooting.scales"),
        ({"weights": [1.0]}, "one for each of the 4 scales, found 1"),
        ({"norm_weight": "1e-4"}, "shooting.norm_weight: expected a positive number"),
        ({"time_steps": 0}, "shooting.time_steps"),
        ({"time_steps": True}, "shooting.time_steps"),
        ({"spacings": [2, 4]}, "coarse to fine"),
        ({"spacings": [3, 2]}, "powers of two"),
        ({"iterations": [5]}, "one for each of the 2 spacings, found 1"),
        ({"tolerance": -0.1}, "shooting.tolerance"),
        ({"align_grey_levels": 1}, "true or false"),
    ],
)
def test_a_mistake_names_file_and_key(content, message):
    with pytest.raises(InputError, match=r"a\.yaml: shooting") as caught:
        ShootingSettings.from_mapping(content, "a.yaml")
    assert message in str(caught.value)
