import dataclasses

import pytest

from fake_protocol import VALID, bare, changed, without, write
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol

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
    assert protocol.merge == {}
    assert protocol.data.source == "files"


def test_merged_labels_and_the_same_person(tmp_path):
    change = {"merge": {7: 1, 8: 1, 5: 3}, "same_person": [["b", "a"], ["r", "p", "q"]]}
    protocol = Protocol.load(write(tmp_path, changed(**change)))
    assert protocol.merge == {7: 1, 8: 1, 5: 3}
    assert isinstance(hash(protocol), int)


def test_data_without_labels_and_without_a_test_split(tmp_path):
    for tail in ({}, {"test": []}):
        protocol = Protocol.load(write(tmp_path, bare(**tail)))
        assert (protocol.labels, protocol.groups, protocol.merge) == ({}, {}, {})
        assert protocol.test == ()
        assert protocol.pairs("test") == []
        assert protocol.spacing_mm == 1.0
        assert len(protocol.hash) == 12


def test_labels_without_groups_make_one_group(tmp_path):
    protocol = Protocol.load(write(tmp_path, without("groups")))
    assert protocol.groups == {"All": (1, 2, 3)}


def test_scoring_may_be_left_out(tmp_path):
    before = Protocol.load(write(tmp_path, VALID)).hash
    assert Protocol.load(write(tmp_path, without("scoring"))).hash == before


@pytest.mark.parametrize("source", ["lpba40", "mindboggle", "demo"])
def test_the_name_of_a_data_set_is_its_source(tmp_path, source):
    assert Protocol.load(write(tmp_path, changed(name=source))).data.source == source


def test_the_data_section_is_read(tmp_path):
    section = {"source": "mindboggle", "space": "mni152", "shape": [96, 64, 32]}
    data = Protocol.load(write(tmp_path, changed(data=section))).data
    assert (data.source, data.space, data.shape) == ("mindboggle", "mni152", (96, 64, 32))


def test_scored_subjects_need_labels(tmp_path):
    names = [*"abcdpqr"]
    listed = {n: {"image": f"{n}.nii"} | ({} if n in "ab" else {"labels": "l.nii"}) for n in names}
    assert Protocol.load(write(tmp_path, changed(data={"subjects": listed}))).data.subjects
    for name in "dq":
        less = listed | {name: {"image": f"{name}.nii"}}
        with pytest.raises(InputError, match=f"labels, since .* at 'data: subjects: {name}'"):
            Protocol.load(write(tmp_path, changed(data={"subjects": less})))
        unlabelled = bare(test=VALID["test"], data={"subjects": less})
        assert Protocol.load(write(tmp_path, unlabelled)).data.subjects[name].labels is None


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
        {"same_person": [["a", "b"]]},
        {"data": {"source": "mindboggle", "shape": [64, 32, 96]}},
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
        {"merge": {4: 1}},
        {"test": []},
        {"data": {"source": "mindboggle", "space": "mni152", "shape": [64, 32, 96]}},
    ],
)
def test_the_hash_sees_what_changes_a_score(tmp_path, change):
    before = Protocol.load(write(tmp_path, VALID)).hash
    after = Protocol.load(write(tmp_path, changed(**change))).hash
    assert len(after) == 12
    assert int(after, 16) >= 0
    assert after != before


def test_the_hash_sees_what_is_merged_into_what(tmp_path):
    merges = ({4: 1}, {4: 2}, {5: 1}, {4: 1, 5: 1}, {5: 1, 4: 1})
    hashes = [Protocol.load(write(tmp_path, changed(merge=m))).hash for m in merges]
    assert len(set(hashes)) == 4
    assert hashes[3] == hashes[4]
