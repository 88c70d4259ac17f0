"""The file that a draft is written to: its name, its paths, and that nothing is overwritten."""

import errno
import io

import pytest
from rich.console import Console
from volume_trees import brain, parcels, subjects

from pmrnet.data.draft import draft, draft_protocol, write_draft
from pmrnet.errors import InputError
from pmrnet.protocol import Protocol

SIX = [f"s{i:02d}" for i in range(1, 7)]


def labels(_):
    return parcels()


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain))
    out = tmp_path / "mine.yaml"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"mine\.yaml: expected no file there"):
        write_draft(tmp_path, out)
    assert out.read_text() == "mine"
    quiet = Console(file=io.StringIO())
    assert write_draft(tmp_path, out, overwrite=True, console=quiet) == out
    assert Protocol.load(out).name == "mine"
    with pytest.raises(InputError, match=r"ending in \.yaml"):
        write_draft(tmp_path, tmp_path / "mine.txt")


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(draft, "draft_protocol", lambda *_: pytest.fail("it worked"))
    with pytest.raises(InputError, match="expected a folder to write to"):
        write_draft(tmp_path, tmp_path / "file" / "mine.yaml")


def test_a_disk_that_is_full_is_said(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(draft, "draft_protocol", lambda *_: "text")
    monkeypatch.setattr(draft, "atomic_write_text", full)
    with pytest.raises(InputError, match="expected room for a small file, found a full disk"):
        write_draft(tmp_path, tmp_path / "mine.yaml")


def test_paths_are_relative_to_the_file_wherever_it_lies(tmp_path, monkeypatch):
    subjects(tmp_path / "data" / "my set", SIX, ("{}/t1.nii", brain))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    out = write_draft("../data/my set", "splits/mine.yaml", console=Console(file=io.StringIO()))
    assert "image: ../../data/my set/s01/t1.nii" in out.read_text()
    protocol = Protocol.load(out)
    assert protocol.data.subjects["s01"].image == tmp_path / "data/my set/s01/t1.nii"


def test_the_name_is_the_folder_s_unless_it_is_taken(tmp_path):
    for folder, name in (("kids", "kids"), ("lpba40", "my-lpba40")):
        subjects(tmp_path / folder, SIX, ("{}/t1.nii", brain))
        text = draft_protocol(tmp_path / folder, console=Console(file=io.StringIO()))
        assert f"\nname: {name}\n" in text
        assert not list((tmp_path / folder).glob("*.yaml"))
        quiet = Console(file=io.StringIO())
        out = write_draft(tmp_path / folder, tmp_path / f"{folder}.yaml", console=quiet)
        assert Protocol.load(out).name == name


def test_progress_is_shown(tmp_path):
    subjects(tmp_path, SIX, ("{}/t1.nii", brain), ("{}/seg.nii", labels))
    console = Console(file=io.StringIO())
    draft_protocol(tmp_path, console=console)
    assert "Looking at the volumes" in console.file.getvalue()
    assert "6/6" in console.file.getvalue().split("Reading labels")[1]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "count", "labels"), [("lpba40", 40, 56), ("mindboggle", 20, 62)]
)
def test_real_folders(data_path, tmp_path, folder, count, labels):
    if not (data_path / folder).is_dir():
        pytest.skip(f"no {folder} in {data_path}")
    out = write_draft(
        data_path / folder, tmp_path / "mine.yaml", console=Console(file=io.StringIO())
    )
    protocol = Protocol.load(out)
    assert len(protocol.train + protocol.validation + protocol.test) == count
    assert len(protocol.labels) == labels
    assert not any(name.startswith("label ") for name in protocol.labels.values())
    assert all(files.labels.is_file() for files in protocol.data.subjects.values())
