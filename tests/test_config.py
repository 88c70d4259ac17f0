"""Experiment files: what is read, and what a mistake in one is answered with."""

from pathlib import Path

import pytest

from pmrnet.config import Experiment, Stage
from pmrnet.errors import InputError
from pmrnet.optimised import section_of

TEXT = """
network:
  type: pmrnet
objective:
  image_sigma: 0.02
stages:
  - spacing: 2
    steps: 300
    learning_rate: 1.0e-3
  - {spacing: 1, steps: 100, learning_rate: 1.0e-4, validate_every: 50}
seed: 3
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "ours.yaml"
        path.write_text(text)
        return Experiment.load(path)

    return load


def test_content(load):
    experiment = load(TEXT)
    assert experiment.name == "ours"
    assert experiment.network == {"type": "pmrnet"}
    assert experiment.objective == {"image_sigma": 0.02}
    assert experiment.seed == 3
    first, second = experiment.stages
    assert first == Stage(spacing=2, steps=300, learning_rate=1e-3)
    assert (second.spacing, second.validate_every) == (1, 50)


def test_plain_form_for_records(load):
    plain = load(TEXT).as_dict()
    assert plain["name"] == "ours"
    assert plain["stages"][1]["learning_rate"] == 1e-4


def test_what_is_not_used_is_no_part_of_the_plain_form(load):
    """Or every new setting would change the hash of all experiments."""
    plain = load(TEXT).as_dict()
    assert not {"mix", "augment", "init", "labels"} & set(plain)
    assert not {"passes", "clip_norm"} & set(plain["stages"][0])
    extra = "mix: [demo]\naugment: {mirror: 0.5}\ninit: lpba40-pmrnet\n"
    experiment = load(TEXT + extra)
    assert experiment.mix == ["demo"]
    assert experiment.as_dict()["augment"] == {"mirror": 0.5}
    assert experiment.as_dict()["init"] == "lpba40-pmrnet"
    passes = load(TEXT.replace("spacing: 2", "spacing: 2\n    passes: 1")).as_dict()
    assert [stage.get("passes") for stage in passes["stages"]] == [1, None]


EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
STORED = sorted([*EXPERIMENTS.glob("*/*.yaml"), *EXPERIMENTS.glob("*/tried/*.yaml")])


@pytest.mark.parametrize(
    "path",
    [path for path in STORED if section_of(path) is None],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_stored_experiments_can_be_built(path):
    from pmrnet.nn.build import build_network, build_objective

    experiment = Experiment.load(path)
    network = build_network(experiment.network, build_objective(experiment.objective))
    assert network.objective.term_names(network.level_count)
    assert experiment.name == path.stem
    assert experiment.stages


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: expected an experiment file"):
        Experiment.load(tmp_path / "none.yaml")


def test_a_file_that_is_not_in_utf_8(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_bytes(("# f\xfcr\n" + TEXT).encode("latin-1"))
    with pytest.raises(InputError, match=r"ours\.yaml to be a YAML file"):
        Experiment.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("network: [", "to be a YAML file"),
        (
            TEXT.replace("    steps: 300\n", "    steps: 300\n    steps: 400\n"),
            "'steps' appears twice",
        ),
        ("- just\n- a list", "expected a mapping"),
        ("", "expected a mapping"),
        (TEXT.replace("stages:", "stadia:"), "stages"),
        (TEXT.replace("network:", "net:"), "net"),
        (TEXT.replace("steps: 300", "step: 300"), "step"),
        (TEXT.replace("    steps: 300\n", ""), "steps"),
        (TEXT.replace("objective:\n  image_sigma: 0.02\n", ""), "objective"),
    ],
    ids=[
        "no YAML",
        "twice",
        "list",
        "empty",
        "no stages",
        "unknown",
        "unknown in stage",
        "lacks",
        "lacks 2",
    ],
)
def test_wrong_content_is_named(load, text, message):
    with pytest.raises(InputError, match=message) as caught:
        load(text)
    assert "ours.yaml" in str(caught.value)


# PyYAML reads "1e-3", without a point, as text.
@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("1.0e-3", "1e-3"),
        TEXT.replace("steps: 300", "steps: many"),
        TEXT.replace("steps: 300", "steps: 0"),
        TEXT.replace("spacing: 2", "spacing: 3"),
        TEXT.replace("seed: 3", "seed: x"),
        TEXT.replace("seed: 3", "seed: -1"),
        TEXT.replace("seed: 3", "seed: 1099511627776"),
        TEXT.replace("seed: 3", "seed: true"),
        TEXT.replace("  type: pmrnet", "  - pmrnet"),
        TEXT.replace("image_sigma: 0.02", "image_sigma: 2e-2"),
        TEXT.replace("image_sigma: 0.02", "feature_error: 2"),
        TEXT.replace("image_sigma: 0.02", "type: [displacement]"),
        TEXT + "augment: much",
        TEXT + "augment: {zoom: 2}",
        TEXT + "init: 3",
        TEXT + "mix: demo",
    ],
    ids=[
        "1e-3",
        "steps",
        "no steps",
        "spacing",
        "seed",
        "negative seed",
        "large seed",
        "a truth for a seed",
        "network",
        "objective",
        "a number for a word",
        "a list for a word",
        "augment",
        "unknown in augment",
        "init",
        "mix",
    ],
)
def test_wrong_types_and_values_are_the_users_mistake(load, text):
    with pytest.raises(InputError, match=r"ours\.yaml"):
        load(text)


def test_labels_in_training(load):
    experiment = load(TEXT + "labels: {weight: 2.0, per_step: 3}\n")
    assert experiment.as_dict()["labels"] == {"weight": 2.0, "per_step": 3}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("{weight: 0}", r"labels\.weight: expected a positive number, found 0"),
        ("{weight: much}", r"labels\.weight: expected a positive number, found 'much'"),
        ("{per_step: 1.5}", r"labels\.per_step: expected a number of labels above 0, found 1\.5"),
        ("{per_pair: 3}", r"labels: expected only the keys weight, per_step, found per_pair"),
        ("{}", r"labels: expected weight, per_step or both, found \{\}"),
        ("[3]", r"labels: expected a mapping of settings, found \[3\]"),
    ],
)
def test_wrong_label_settings_are_said(load, section, expected):
    with pytest.raises(InputError, match=rf"ours\.yaml: {expected}"):
        load(TEXT + f"labels: {section}\n")
