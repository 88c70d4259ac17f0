"""Model cards say what the JSON says."""

import json
from pathlib import Path

import pytest

from pmrnet.dataset import Dataset
from pmrnet.weights import available
from pmrnet.weights.card import model_card
from pmrnet.weights.store import weights_json

ROOT = Path(__file__).resolve().parents[2]
TRAINING = {
    "config": {
        "stages": [
            {"steps": 40, "spacing": 2, "learning_rate": 1e-3, "validate_every": 20, "passes": 1},
            {"steps": 20, "spacing": 1, "learning_rate": 1e-3, "validate_every": 20},
        ],
        "mix": ["demo"],
        "augment": {"mirror": 0.5},
        "init": "lpba40-pmrnet-plus",
    },
    "best": {"val_dice": 0.71234},
    "machine": {"cpu": "A CPU", "cores": 3, "accelerator": None},
    "seed": 5,
    "seconds": 77,
}
DESCRIPTION = {"spacing": 2, "network": {"type": "pmrnet-plus"}, "training": TRAINING}


@pytest.fixture(autouse=True)
def root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_a_card_has_every_fact():
    text = model_card("lpba40-general", DESCRIPTION, Dataset.load("lpba40"), "general")
    for fact in (
        "# lpba40-general",
        "PMR-Net plus, general-purpose weights as trained by `experiments/lpba40/general.yaml`",
        'load_network("lpba40-general")',
        "25 subjects: S01 to S25; mixed with built-in subjects",
        "weights chosen on S26 to S30 and the validation subjects of what was mixed in, data sets "
        "counting alike, validation Dice 0.712 (the mean of the data sets'",
        "moved image, velocity on half the grid |",
        "40 steps at 2 mm with 1 pass and 20 steps at 1 mm",
        "seed 5, from the weights lpba40-pmrnet-plus, images changed at random; 77 s on A CPU",
        "hash 1ade9343cc28: S31 to S40, 90 ordered pairs, 54 labels",
        "`experiments/lpba40/table1.md`, from `experiments/lpba40/results/general/`",
        "Apache-2.0; LPBA40 itself may be had from LONI for research only",
        "without cerebellum and brain stem",
    ):
        assert fact in text, fact


def test_a_training_that_went_on_elsewhere_names_both_machines():
    gpu = {"machine": {"cpu": "Another CPU", "cores": 16, "accelerator": "A GPU"}}
    cpu = {"machine": TRAINING["machine"]}
    description = DESCRIPTION | {"training": TRAINING | {"starts": [gpu, gpu, cpu]}}
    text = model_card("lpba40-general", description, Dataset.load("lpba40"), "general")
    assert "77 s on A GPU, cores: 16, then A CPU, cores: 3 |" in text


def card_of(**changes):
    return model_card("x", DESCRIPTION | changes, Dataset.load("lpba40"), "general")


def test_the_code_of_every_start_is_named_with_what_is_known_of_changes_to_it():
    starts = [
        {"git": {"commit": "a" * 40, "dirty": dirty}, "backend": backend}
        for dirty, backend in (
            (True, "jax"),
            (True, "jax"),
            (False, "tensorflow"),
            ("unknown", "jax"),
        )
    ]
    code = (
        "| code of the training | commit aaaaaaaaaaaa with changes, on jax, then commit "
        "aaaaaaaaaaaa, on tensorflow, then commit aaaaaaaaaaaa, changes to it unknown, on jax |"
    )
    assert code in card_of(training=TRAINING | {"starts": starts})
    assert "commit unknown, changes to it unknown, on an unknown backend |" in card_of()


def test_what_was_simulated_is_not_said_to_have_never_been_shown():
    everything = {"contrast": 0.1, "rotation_degrees": 4}
    for config, limits in (
        (
            {"mix": ["demo"], "augment": everything},
            "Pathology, children, other modalities and images that are not skull-stripped were "
            "never shown, whole brains, other contrasts and images that are not affinely aligned "
            "only as simulated. One seed.",
        ),
        (
            {"augment": {"contrast": 0.1}},
            "Pathology, children, other modalities, images that are not affinely aligned and "
            "images that are not skull-stripped were never shown, other contrasts only as "
            "simulated. One seed.",
        ),
        (
            {"mix": ["mindboggle"]},
            "Pathology, children, other modalities, other contrasts, images that are not affinely "
            "aligned and images that are not skull-stripped were never shown. One seed.",
        ),
    ):
        config = {"stages": TRAINING["config"]["stages"], **config}
        assert limits in card_of(training=TRAINING | {"config": config})


def test_faim_has_no_velocity():
    text = card_of(network={"type": "faim"})
    assert "moved image |" in text
    assert "velocity" not in text
    assert "on a grid of multiples of 4 |" in text


def test_a_fifth_level_wants_larger_multiples():
    five = {"type": "pmrnet", **dict.fromkeys(("filters", "hidden_filters"), [2] * 5)}
    text = card_of(network=five | {"hidden_kernels": [3] * 5})
    assert "on a grid of multiples of 32 |" in text


def test_steps_are_those_that_were_taken():
    stage = {"steps": 1000, "spacing": 2, "learning_rate": 1e-3, "validate_every": 300}
    text = card_of(training=TRAINING | {"config": TRAINING["config"] | {"stages": [stage]}})
    assert "1200 steps at 2 mm" in text


def test_passes_that_are_advised_are_named():
    assert "| passes |" not in card_of()
    network = DESCRIPTION["network"] | {"passes": 2}
    assert "| passes | 4 in `pmrnet register`, trained with 2 |" in card_of(
        network=network, passes=4
    )
    assert "trained with 1 |" in card_of(passes=3)


def test_labels_in_training_are_named():
    config = TRAINING["config"] | {"labels": {"weight": 2.0}}
    description = DESCRIPTION | {"training": TRAINING | {"config": config}}
    text = model_card("lpba40-general", description, Dataset.load("lpba40"), "general")
    assert "at random, labels of the training subjects in the loss; 77 s" in text


@pytest.mark.parametrize("name", available())
def test_shipped_weights_have_the_card_of_their_json(name):
    path = weights_json(name)
    description = json.loads(path.read_text())
    method = description["training"]["config"]["name"]
    data = Dataset.load(name.removesuffix(f"-{method}"))
    expected = model_card(name, description, data, method)
    assert path.with_suffix(".md").read_text() == expected
