import pytest

from pmrnet.errors import InputError
from pmrnet.syn import SynSettings


def test_section_of_an_experiment_file():
    content = {"syn_metric": "CC", "syn_sampling": 4, "iterations": [10, 0], "gradient_step": 1}
    settings = SynSettings.from_mapping(content, "a.yaml")
    assert settings.syn_metric == "CC"
    assert settings.iterations == (10, 0)
    assert settings.flow_sigma == SynSettings().flow_sigma
    assert SynSettings(**settings.as_dict()) == settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"expected a mapping of settings, found \[\]; compare with .*syn\.yaml"),
        ({"metric": "CC"}, "found metric;"),
        # It would not heed the other settings.
        ({"type_of_transform": "SyNCC"}, "ants.type_of_transform: expected one of SyNOnly, SyN"),
        ({"syn_metric": "cc"}, "ants.syn_metric: expected one of mattes, CC"),
        ({"syn_sampling": 0}, "ants.syn_sampling"),
        ({"iterations": [0, 0]}, "one of them above 0"),
        ({"iterations": [10, -1]}, "ants.iterations"),
        ({"iterations": [10, False]}, "ants.iterations"),
        ({"iterations": 10}, "ants.iterations"),
        ({"gradient_step": "1e-1"}, "ants.gradient_step: expected a positive number"),
        ({"flow_sigma": -1.0}, "ants.flow_sigma"),
        ({"total_sigma": None}, "ants.total_sigma"),
        ({"random_seed": 0}, "ants.random_seed"),
    ],
)
def test_a_mistake_names_file_and_key(content, message):
    with pytest.raises(InputError, match=message) as caught:
        SynSettings.from_mapping(content, "a.yaml")
    assert str(caught.value).startswith("a.yaml: ants")
