"""Results take a folder's place without harm to what others have in it or write meanwhile."""

import os
from pathlib import Path

import pytest

from pmrnet.errors import InputError
from pmrnet.part_folders import HOST
from pmrnet.result_folder import _PART, RECORD, check_folder, is_unfinished, new_results

OURS = '{"metrics": {}, "files": {}, "provenance": {}}'


def fill(folder, word="new"):
    (folder / "moved.nii.gz").write_text(word)
    (folder / "forward.x5").write_text(word)
    (folder / RECORD).write_text(OURS)


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def save(folder, overwrite=False, word="new"):
    with new_results(folder, overwrite) as new:
        fill(new, word)


NEW = {"moved.nii.gz": "new", "forward.x5": "new", RECORD: OURS}


@pytest.mark.parametrize("there", [False, True])
def test_a_new_or_empty_folder_is_filled(tmp_path, there):
    folder = tmp_path / "deep" / "out"
    if there:
        folder.mkdir(parents=True)
    save(folder)
    assert contents(folder) == NEW
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_old_results_go_and_other_files_stay(tmp_path):
    fill(tmp_path, "old")
    (tmp_path / "forward.nii.gz").write_text("old, of another format")
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / "mine.nii.gz").write_text("mine")
    (tmp_path / "moved.nii.gz.txt").write_text("mine")
    with pytest.raises(InputError, match="say --overwrite"):
        check_folder(tmp_path, overwrite=False)
    save(tmp_path, overwrite=True)
    mine = dict.fromkeys(("thesis.txt", "mine.nii.gz", "moved.nii.gz.txt"), "mine")
    assert contents(tmp_path) == NEW | mine


def test_what_the_results_are_made_of_is_never_replaced(tmp_path):
    fill(tmp_path, "old")
    mine = tmp_path / "mine.nii.gz"
    mine.write_text("mine")
    check_folder(tmp_path, True, [mine, None, object(), "moving image", tmp_path / "gone.x5"])
    for given in (tmp_path / "moved.nii.gz", str(tmp_path / ".." / tmp_path.name / "forward.x5")):
        with pytest.raises(InputError, match="expected an input that the new results do not repl"):
            check_folder(tmp_path, True, [mine, given])
        with (
            pytest.raises(InputError, match="expected an input"),
            new_results(tmp_path, True, [given]),
        ):
            pass


@pytest.mark.parametrize("record", ['{"loss": 1}', "[]", "3", "{", None])
def test_what_is_no_result_is_never_replaced(tmp_path, record):
    (tmp_path / "thesis.txt").write_text("mine")
    if record is not None:
        (tmp_path / RECORD).write_text(record)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="found other files; give another"):
        save(tmp_path, overwrite=True)
    assert contents(tmp_path) == before


def test_two_at_once(tmp_path):
    """The one that ends later is refused, or replaces the first if it may; none is a mixture."""
    folder = tmp_path / "out"
    for overwrite in (False, True):
        first, second = new_results(folder, overwrite), new_results(folder, overwrite)
        one, other = first.__enter__(), second.__enter__()
        assert one != other
        fill(one, "one")
        fill(other, "other")
        first.__exit__(None, None, None)
        assert contents(folder)["moved.nii.gz"] == "one"
        if overwrite:
            second.__exit__(None, None, None)
        else:
            with pytest.raises(InputError, match="found the results of another registration"):
                second.__exit__(None, None, None)
        last = "other" if overwrite else "one"
        assert {contents(folder)[name] for name in ("moved.nii.gz", "forward.x5")} == {last}
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert not [path for path in folder.iterdir() if path.is_dir()]


def test_the_working_folder_and_a_link_to_one(tmp_path, monkeypatch):
    here, linked, link = tmp_path / "here", tmp_path / "linked", tmp_path / "link"
    here.mkdir()
    linked.mkdir()
    link.symlink_to(linked)
    monkeypatch.chdir(here)
    save(Path())
    save(link)
    assert contents(Path()) == contents(here) == contents(linked) == NEW
    assert link.is_symlink()


def test_after_a_kill_in_the_middle_of_replacing(tmp_path, monkeypatch):
    fill(tmp_path, "old")
    moves = []

    def killed(source, target):
        moves.append(source)
        if len(moves) == 2:
            raise KeyboardInterrupt
        os.rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr("pmrnet.result_folder.os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, overwrite=True)
    assert not (tmp_path / RECORD).exists()
    save(tmp_path)  # half of it is no result that one must ask for
    assert contents(tmp_path) == NEW


def test_the_record_goes_first(tmp_path, monkeypatch):
    """A kill while the old results are removed leaves no record that says that they are there."""
    folder = tmp_path / "out"
    folder.mkdir()
    fill(folder, "old")
    unlink, gone = Path.unlink, []

    def killed_at_the_second(path, **options):
        if path.parent == folder and path.name != ".unfinished":
            if gone:
                raise KeyboardInterrupt
            gone.append(path.name)
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        save(folder, overwrite=True)
    assert gone == ["metrics.json"]
    assert is_unfinished(folder)


def test_nothing_is_left_of_what_fails(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(FileNotFoundError), new_results(folder, False) as new:
        (new / "no such folder" / "moved.nii.gz").write_text("half")
    assert list(tmp_path.iterdir()) == []


def test_what_a_kill_left_goes_with_the_next_results(gone_process, tmp_path):
    out = tmp_path / "out"
    names = {
        f"{_PART}{HOST}-{gone_process}-0123abcd-out": False,
        f"{_PART}{HOST}-{os.getpid()}-0123abcd-out": True,  # somebody is at it
        f"{_PART}{HOST}-{gone_process}-0123abcd-other": True,
        f"{_PART}00000000-{gone_process}-0123abcd-out": True,  # of another machine
        f"{_PART}mine-out": True,
    }
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "moved.nii.gz").write_text("half")
    save(out)
    assert {name: (tmp_path / name).is_dir() for name in names} == names
    assert contents(out) == NEW


def test_a_file_in_its_place(tmp_path):
    (tmp_path / "out").write_text("mine")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for name in ("out", "broken"):
        with pytest.raises(InputError, match="found a file; rename it"):
            check_folder(tmp_path / name, overwrite=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="change its permissions"):
        check_folder(tmp_path / "out", overwrite=False)
    tmp_path.chmod(0o700)
