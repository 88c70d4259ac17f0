"""The protocols that ship: data_splits/*.yaml."""

from pathlib import Path

import pytest
import yaml

from fake_protocol import write
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol


def test_lpba40_is_the_protocol_of_the_table():
    protocol = Protocol.load("lpba40")
    names = [f"S{i:02d}" for i in range(1, 41)]
    assert protocol.test == tuple(names[30:])
    assert sorted(protocol.train + protocol.validation) == names[:30]
    assert protocol.validation == ("S26", "S27", "S28", "S29", "S30")
    assert len(protocol.pairs("test")) == 90
    assert len(protocol.labels) == 54
    assert not {181, 182} & protocol.labels.keys()
    ids = {name: set(members) for name, members in protocol.groups.items()}
    assert ids == {
        "Frontal": set(range(21, 35)),
        "Parietal": set(range(41, 51)),
        "Occipital": set(range(61, 69)),
        "Temporal": set(range(81, 93)),
        "Cingulate": {101, 102, 121, 122},
        "Putamen": {163, 164},
        "Hippocampus": {165, 166},
    }
    assert protocol.labels.keys() - set().union(*ids.values()) == {161, 162}
    assert all(n.startswith("left" if i % 2 else "right") for i, n in protocol.labels.items())


@pytest.mark.parametrize(("name", "digest"), [("lpba40", "1ade9343cc28"), ("demo", "e2f79b14a527")])
def test_protocols_with_results_are_locked(name, digest):
    # A new hash makes every stored result unusable: change it only together with the results.
    assert Protocol.load(name).hash == digest


# -- the protocols of Mindboggle-101

SPLITS = Path(__file__).resolve().parents[1] / "data_splits"
# By hemisphere, from FAIM's view_dice.py; what DKT25 merges is in Mindboggle's LABELS.py.
DKT31 = {
    "Frontal": {3, 12, 14, 17, 18, 19, 20, 24, 27, 28},
    "Parietal": {8, 22, 25, 29, 31},
    "Occipital": {5, 11, 13, 21},
    "Temporal": {6, 7, 9, 15, 16, 30, 34},
    "Cingulate": {2, 10, 23, 26, 35},
}
MERGED = {10: 2, 23: 2, 26: 2, 27: 3, 19: 18, 20: 18}


def both_sides(regions):
    return {side + region for side in (1000, 2000) for region in regions}


@pytest.mark.parametrize("name", ["mindboggle", "mindboggle-dkt31", "oasis-trt", "oasis-trt-dkt31"])
def test_mindboggle_regions(name):
    protocol = Protocol.load(name)
    merged = {} if name.endswith("dkt31") else MERGED
    regions = {group: ids - merged.keys() for group, ids in DKT31.items()}
    assert sum(map(len, regions.values())) == 31 - len(merged)
    assert {g: set(m) for g, m in protocol.groups.items()} == {
        group: both_sides(ids) for group, ids in regions.items()
    }
    assert sum(map(len, protocol.groups.values())) == len(protocol.labels)
    assert protocol.labels.keys() == both_sides(set().union(*regions.values()))
    assert protocol.merge == {
        side + old: side + new for side in (1000, 2000) for old, new in merged.items()
    }
    for label, text in protocol.labels.items():
        side, opposite = ("left", "right") if label < 2000 else ("right", "left")
        other = protocol.labels[3000 - label + 2 * (label % 1000)]
        assert text.startswith(f"{side} ")
        assert other == text.replace(side, opposite)
    assert protocol.labels[1002] == (
        "left cingulate" if merged else "left caudal anterior cingulate"
    )
    assert protocol.data.source == "mindboggle"
    assert protocol.data.space == "native"
    assert protocol.data.shape == (160, 192, 160)


@pytest.mark.parametrize("name", ["mindboggle", "mindboggle-dkt31"])
def test_mindboggle_subjects(name):
    protocol = Protocol.load(name)
    assert set(protocol.train + protocol.validation) == {
        *(f"NKI-RS-22-{i}" for i in range(1, 23)),
        *(f"NKI-TRT-20-{i}" for i in range(1, 21)),
    }
    assert protocol.validation == ("NKI-RS-22-21", "NKI-RS-22-22", "NKI-TRT-20-19", "NKI-TRT-20-20")
    assert len(protocol.train) == 38
    assert protocol.test == tuple(f"OASIS-TRT-20-{i}" for i in range(1, 21))
    assert len(protocol.pairs("test")) == 380


@pytest.mark.parametrize("name", ["oasis-trt", "oasis-trt-dkt31"])
def test_oasis_subjects(name):
    protocol = Protocol.load(name)
    names = protocol.train + protocol.validation + protocol.test
    assert names == tuple(f"OASIS-TRT-20-{i}" for i in range(1, 21))
    assert [len(protocol.train), len(protocol.validation), len(protocol.test)] == [12, 3, 5]


@pytest.mark.parametrize("moved", ["NKI-TRT-20-5", "NKI-RS-22-14"])
def test_mindboggle_keeps_a_person_in_one_split(tmp_path, moved):
    content = yaml.safe_load((SPLITS / "mindboggle.yaml").read_text())
    content["train"].remove(moved)
    content["validation"].append(moved)
    with pytest.raises(InputError, match=f"one person in one split at .*{moved}"):
        Protocol.load(write(tmp_path, content))
