import dataclasses
from pathlib import Path

import pytest
import yaml

from pmrnet.errors import InputError
from pmrnet.protocol import Protocol

VALID = {
    "name": "tiny",
    "train": ["a", "b"],
    "validation": ["c", "d"],
    "test": ["p", "q", "r"],
    "scoring": {
        "pairs": "all_ordered",
        "space": "fixed_native",
        "spacing_mm": 1.0,
        "interpolation": "nearest",
        "compositions": "single",
        "dice": "label_group_pair",
    },
    "labels": {1: "one", 2: "two", 3: "three"},
    "not_scored": {9: "no signal"},
    "groups": {"Left": [1, 2], "Right": [3]},
}


def write(folder: Path, content) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def changed(**changes):
    return VALID | changes


# -- the locked protocol of Table 1


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


def test_lpba40_is_locked():
    # A new hash makes every stored result unusable: change it only together with the results.
    assert Protocol.load("lpba40").hash == "1ade9343cc28"


# -- loading


def test_a_path_and_a_name_in_the_current_folder_load(tmp_path, monkeypatch):
    path = write(tmp_path, VALID)
    (tmp_path / "data_splits").mkdir()
    write(tmp_path / "data_splits", changed(name="other"))
    monkeypatch.chdir(tmp_path)
    assert Protocol.load(path).name == "tiny"
    assert Protocol.load("tiny").name == "other"
    assert Protocol.load("lpba40").name == "lpba40"  # the project's, from any folder


def test_loaded_values(tmp_path):
    protocol = Protocol.load(write(tmp_path, VALID))
    assert protocol.train == ("a", "b")
    assert protocol.labels == {1: "one", 2: "two", 3: "three"}
    assert protocol.groups == {"Left": (1, 2), "Right": (3,)}
    assert protocol.spacing_mm == 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol.name = "x"
    assert isinstance(hash(protocol), int)


def test_pairs_are_all_ordered_pairs_without_identity(tmp_path):
    protocol = Protocol.load(write(tmp_path, VALID))
    expected = [("p", "q"), ("p", "r"), ("q", "p"), ("q", "r"), ("r", "p"), ("r", "q")]
    assert protocol.pairs("test") == expected
    with pytest.raises(InputError, match="'all'"):
        protocol.pairs("all")


@pytest.mark.parametrize("where", ["nowhere", "nowhere.yaml", "no/where"])
def test_a_missing_protocol_is_the_users_mistake(where):
    with pytest.raises(InputError, match=r"nowhere|no/where"):
        Protocol.load(where)


# -- the hash


@pytest.mark.parametrize(
    "change",
    [
        {"description": "x", "notes": "y"},
        {"not_scored": {8: "no signal", 9: "none"}},
        {"train": ["b", "a"]},
        {"labels": {3: "drei", 2: "zwei", 1: "eins"}},
        {"groups": {"Right": [3], "Left": [2, 1]}},
        {"scoring": VALID["scoring"] | {"spacing_mm": 1}},
    ],
)
def test_the_hash_ignores_texts_and_order(tmp_path, change):
    before = Protocol.load(write(tmp_path, VALID)).hash
    assert Protocol.load(write(tmp_path, changed(**change))).hash == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"train": ["a", "x"]},
        {"validation": ["c", "x"]},
        {"test": ["p", "q"]},
        {"labels": {1: "one", 2: "two", 3: "three", 4: "four"}},
        {"groups": {"Left": [1, 2], "Rest": [3]}},
        {"groups": {"Left": [1], "Right": [3]}},
        {"scoring": VALID["scoring"] | {"spacing_mm": 2.0}},
    ],
)
def test_the_hash_sees_what_changes_a_score(tmp_path, change):
    before = Protocol.load(write(tmp_path, VALID)).hash
    after = Protocol.load(write(tmp_path, changed(**change))).hash
    assert len(after) == 12
    assert int(after, 16) >= 0
    assert after != before


# -- checks: the message names the file and the key


def without(key):
    return {k: v for k, v in VALID.items() if k != key}


@pytest.mark.parametrize(
    ("content", "key"),
    [
        *((without(key), key) for key in VALID if key != "not_scored"),
        (changed(extra=1), "extra"),
        (changed(name=3), "name"),
        (changed(name=""), "name"),
        (changed(description=["x"]), "description"),
        (changed(train=[]), "train"),
        (changed(train="a b"), "train"),
        (changed(train=["a", 2]), "train"),
        (changed(train=["a", "a"]), "train"),
        (changed(train=["a"]), "train"),
        (changed(test=["a", "q"]), "test"),
        (changed(validation=["c", "b"]), "validation"),
        (changed(labels={}), "labels"),
        (changed(labels=[1, 2, 3]), "labels"),
        (changed(labels={"1": "one"}), "labels"),
        (changed(labels={True: "one"}), "labels"),
        (changed(labels={0: "background"}), "labels"),
        (changed(labels={1: 1}), "labels: 1"),
        (changed(not_scored={1: "why"}), "not_scored"),
        (changed(groups={}), "groups"),
        (changed(groups={"Left": []}), "groups: Left"),
        (changed(groups={"Left": [1, 7]}), "groups: Left"),
        (changed(groups={"Left": [1, 1]}), "groups: Left"),
        (changed(groups={"Left": [1.0]}), "groups: Left"),
        (changed(scoring={"pairs": "all_ordered"}), "space"),
        (changed(scoring=VALID["scoring"] | {"interpolation": "linear"}), "scoring: interpolation"),
        (changed(scoring=VALID["scoring"] | {"smoothing": 1}), "smoothing"),
        (changed(scoring=VALID["scoring"] | {"spacing_mm": 0}), "scoring: spacing_mm"),
        (changed(scoring=VALID["scoring"] | {"spacing_mm": "1"}), "scoring: spacing_mm"),
        (changed(scoring=VALID["scoring"] | {"spacing_mm": float("nan")}), "scoring: spacing_mm"),
    ],
)
def test_a_wrong_file_is_refused_by_file_and_key(tmp_path, content, key):
    path = write(tmp_path, content)
    with pytest.raises(InputError) as error:
        Protocol.load(path)
    assert f" at {key!r} in {path}, found " in str(error.value)


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        ("name: tiny\nname: other\n", "'name' appears twice"),
        ("labels: {1: one, 1: two}\n", "'1' appears twice"),
        ("[1, 2", "expected ',' or ']'"),
        ("just a text", "found 'just a text'"),
        ("", "found None"),
    ],
)
def test_what_is_no_mapping_is_refused(tmp_path, content, fragment):
    path = write(tmp_path, content)
    with pytest.raises(InputError) as error:
        Protocol.load(path)
    assert str(path) in str(error.value)
    assert fragment in str(error.value)
    assert "\n" not in str(error.value)
