import errno
import os
import shutil
from collections import namedtuple

import numpy as np
import pytest

from pmrnet.data import room
from pmrnet.data.room import check_room, explained_writing
from pmrnet.data.volume import save_array, save_image
from pmrnet.errors import InputError

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk(tmp_path, number):
    message = r"folder: expected room for 19\.7 MB, found a full disk or quota; free some space"
    with pytest.raises(InputError, match=message), explained_writing(tmp_path / "folder", 19660800):
        raise OSError(number, os.strerror(number))


def test_short_write_without_an_error_number(tmp_path, monkeypatch):
    """What NumPy raises on a full disk names no reason."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(9, 9, 1000))
    with (
        pytest.raises(InputError, match="full disk"),
        explained_writing(tmp_path, 1001),
    ):
        raise OSError("1001 requested and 1000 written")
    with pytest.raises(OSError, match="requested"), explained_writing(tmp_path, 999):
        raise OSError("999 requested and 0 written")


def test_other_errors_pass():
    with pytest.raises(OSError, match="Input/output"), explained_writing("folder", 1):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("save", [save_array, save_image])
def test_disk_that_fills_up_while_writing(tmp_path, monkeypatch, save):
    """A real ENOSPC, by a device of Linux that is always full."""
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    monkeypatch.setattr("pmrnet.files.secrets.token_hex", lambda _: "0")
    name = "a.npy" if save is save_array else "a.nii"
    (tmp_path / f".part-{os.getpid()}-0-{name}").symlink_to("/dev/full")
    (tmp_path / name).write_text("older")
    arguments = (
        (np.ones((70, 80, 90)),) if save is save_array else (np.ones((70, 80, 90)), np.eye(4))
    )
    with pytest.raises(InputError, match=r"expected room for 4\.0 MB, found a full disk"):
        save(tmp_path / name, *arguments)
    assert sorted(p.name for p in tmp_path.iterdir()) == [name, "full"]
    assert (tmp_path / name).read_text() == "older"


def test_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("a file")
    for folder in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(InputError, match="expected a folder to write to, found that it is non"):
            check_room(folder, 1)
        with pytest.raises(InputError, match="expected a folder to write to, found that it is non"):
            save_array(folder / "a.npy", np.ones(3))
    assert (tmp_path / "file").read_text() == "a file"


def test_forbidden_folder(tmp_path, monkeypatch):
    # Root may write anywhere, so permissions alone would not test this everywhere.
    monkeypatch.setattr(room.os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"new: expected a folder .*\(Permission denied\); change"):
        check_room(tmp_path / "new", 1)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(InputError, match=r"new: expected a folder .*\(Permission denied\); change"):
        save_array(tmp_path / "new" / "a.npy", np.ones(3))


def test_room_is_asked_of_the_disk_before(tmp_path, monkeypatch):
    asked = []

    def usage(path):
        asked.append(path)
        return Usage(9, 9, 5_000_000)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    check_room(tmp_path / "a" / "b", 5_000_000)
    assert asked == [tmp_path]
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"b: expected room for 5\.1 MB, found 5\.0 MB; free"):
        check_room(tmp_path / "a" / "b", 5_100_000)
