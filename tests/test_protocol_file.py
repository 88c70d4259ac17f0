"""Files that are refused, and what for."""

import pytest

from fake_protocol import VALID, bare, changed, without, write
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol


@pytest.mark.parametrize(
    ("content", "key"),
    [
        *((without(key), key) for key in ("name", "train", "validation", "labels")),
        (changed(extra=1), "extra"),
        (changed(name=3), "name"),
        (changed(name=""), "name"),
        (changed(description=["x"]), "description"),
        (changed(train=[]), "train"),
        (changed(train="a b"), "train"),
        (changed(train=["a", 2]), "train"),
        (changed(train=["a", "a"]), "train"),
        (changed(train=["a"]), "train"),
        (changed(train=["a", "../b"]), "train"),
        (changed(train=["a", ".."]), "train"),
        (changed(name="a/b"), "name"),
        (changed(validation=[]), "validation"),
        (changed(test=["p"]), "test"),
        (changed(test=None), "test"),
        (changed(test=["a", "q"]), "test"),
        (changed(validation=["c", "b"]), "validation"),
        (changed(labels={}), "labels"),
        (changed(labels=[1, 2, 3]), "labels"),
        (changed(labels={"1": "one"}), "labels"),
        (changed(labels={True: "one"}), "labels"),
        (changed(labels={0: "background"}), "labels"),
        (changed(labels={1: 1}), "labels: 1"),
        (changed(not_scored={1: "why"}), "not_scored"),
        (without("labels") | {"groups": None}, "labels"),
        (bare(merge={4: 1}), "labels"),
        (bare(not_scored={4: "why"}), "labels"),
        (changed(merge={}), "merge"),
        (changed(merge=[4, 1]), "merge"),
        (changed(merge={"4": 1}), "merge"),
        (changed(merge={0: 1}), "merge"),
        (changed(merge={True: 1}), "merge"),
        (changed(merge={4: "1"}), "merge: 4"),
        (changed(merge={4: [1]}), "merge: 4"),
        (changed(merge={4: 7}), "merge: 4"),
        (changed(merge={4: 9}), "merge: 4"),
        (changed(merge={4: 5, 5: 1}), "merge: 4"),
        (changed(merge={4: 4}), "merge: 4"),
        (changed(merge={1: 2}), "merge"),
        (changed(merge={9: 2}), "merge"),
        (changed(same_person=[]), "same_person"),
        (changed(same_person=["a", "b"]), "same_person"),
        (changed(same_person=[["a"]]), "same_person"),
        (changed(same_person=[["a", "a"]]), "same_person"),
        (changed(same_person=[["a", "x"]]), "same_person"),
        (changed(same_person=[["a", 1]]), "same_person"),
        (changed(same_person=[["p", "q"], ["q", "r"]]), "same_person"),
        (changed(same_person=[["a", "b", "c"]]), "same_person"),
        (changed(data=None), "data"),
        (changed(data={"source": "elsewhere"}), "data: source"),
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
