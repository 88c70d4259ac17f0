import dataclasses
from pathlib import Path

import pytest

from pmrnet.data.section import DataSection, default_source, read_data_section
from pmrnet.data.subject_files import SubjectFiles
from pmrnet.errors import InputError
from pmrnet.yaml_file import Checker


@pytest.fixture
def read(tmp_path):
    def section(value, name="mine", subjects=("a", "b"), labelled=()):
        return read_data_section(Checker(tmp_path / "p.yaml"), value, name, subjects, labelled)

    return section


A = {"image": "a.nii.gz"}
B = {"image": "b.nii.gz", "labels": "b-labels.nii", "mask": "masks/b.nii"}


def test_defaults(read):
    section = read({"source": "mindboggle"})
    assert section == DataSection("mindboggle", "native", (160, 192, 160), {})
    assert read({"shape": [32, 64, 96]}, name="lpba40").source == "lpba40"
    assert default_source("demo") == "demo"
    assert default_source("oasis") == "files"
    assert isinstance(hash(section), int)
    with pytest.raises(dataclasses.FrozenInstanceError):
        section.source = "demo"


def test_paths_are_relative_to_the_file(read, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    files = {"a": {"image": "../x/a.nii.gz", "mask": "~/m.nii"}, "b": B | {"mask": "/m/b.nii"}}
    section = read({"subjects": files})
    assert section.source == "files"
    assert section.subjects == {
        "a": SubjectFiles(tmp_path.parent / "x" / "a.nii.gz", None, Path("/home/somebody/m.nii")),
        "b": SubjectFiles(tmp_path / "b.nii.gz", tmp_path / "b-labels.nii", Path("/m/b.nii")),
    }


def test_a_relative_file_gives_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value = {"subjects": {"a": A, "b": B}}
    section = read_data_section(Checker(Path("folder/p.yaml")), value, "mine", ("a", "b"), ())
    assert section.subjects["a"].image == tmp_path / "folder" / "a.nii.gz"


def test_links_keep_their_own_names(read, tmp_path):
    (tmp_path / "store-5f3a").write_bytes(b"")
    (tmp_path / "a.nii.gz").symlink_to(tmp_path / "store-5f3a")
    assert read({"subjects": {"a": A, "b": B}}).subjects["a"].image == tmp_path / "a.nii.gz"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (None, "data"),
        ({}, "data"),
        ([1], "data"),
        ({"from": "x"}, "from"),
        ({"source": "oasis"}, "data: source"),
        ({"source": ["demo"]}, "data: source"),
        ({"source": "lpba40", "space": "native"}, "data: space"),
        ({"source": "mindboggle", "space": "mni305"}, "data: space"),
        ({"source": "demo", "shape": [160, 192, 160]}, "data: shape"),
        ({"source": "mindboggle", "shape": [160, 192]}, "data: shape"),
        ({"source": "mindboggle", "shape": [160, 192, 160, 32]}, "data: shape"),
        ({"source": "mindboggle", "shape": [160, 192, 144]}, "data: shape"),
        ({"source": "mindboggle", "shape": [160, 192, 0]}, "data: shape"),
        ({"source": "mindboggle", "shape": [160, 192, -32]}, "data: shape"),
        ({"source": "mindboggle", "shape": [160, 192, 32.0]}, "data: shape"),
        ({"source": "mindboggle", "shape": [160, 192, True]}, "data: shape"),
        ({"source": "mindboggle", "shape": 160}, "data: shape"),
        ({"source": "mindboggle", "subjects": {"a": A}}, "data: subjects"),
        ({"source": "files"}, "data: subjects"),
        ({"subjects": {}}, "data: subjects"),
        ({"subjects": {"a": A}}, "data: subjects"),
        ({"subjects": {"a": A, "b": B, 3: A}}, "data: subjects"),
        ({"subjects": {"a": A, "b": "b.nii"}}, "data: subjects: b"),
        ({"subjects": {"a": A, "b": {"labels": "b.nii"}}}, "data: subjects: b"),
        ({"subjects": {"a": A, "b": B | {"brain": "b.nii"}}}, "data: subjects: b"),
        ({"subjects": {"a": A, "b": {"image": 3}}}, "data: subjects: b: image"),
        ({"subjects": {"a": A, "b": {"image": ""}}}, "data: subjects: b: image"),
        ({"subjects": {"a": A, "b": A}}, "data: subjects: b"),
        ({"subjects": {"a": A, "b": {"image": "./x/../a.nii.gz"}}}, "data: subjects: b"),
    ],
)
def test_a_wrong_section_is_refused_by_file_and_key(read, tmp_path, value, key):
    with pytest.raises(InputError) as error:
        read(value)
    assert f" at {key!r} in {tmp_path / 'p.yaml'}, found " in str(error.value)


def test_labels_where_they_are_needed(read):
    assert read({"subjects": {"a": A, "b": B}}, labelled=("b",)).subjects["a"].labels is None
    with pytest.raises(InputError, match=r"labels, since the subject is scored at .*: a'"):
        read({"subjects": {"a": A, "b": B}}, labelled=("a", "b"))
