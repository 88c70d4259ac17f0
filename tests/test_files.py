import os
import stat
import time

import pytest

from pmrnet.errors import InputError
from pmrnet.files import atomic_path, atomic_write_text, check_new_file


def test_text_is_written_and_replaced_with_unix_line_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    atomic_write_text(path, "ä\nb\n")
    assert path.read_bytes() == "ä\nb\n".encode()
    atomic_write_text(path, "c")
    assert path.read_bytes() == b"c"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


def write_and_raise(path, error):
    path.write_text("half of the n")
    raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.nii.gz"
    path.write_text("old")

    with pytest.raises(error), atomic_path(path) as temporary:
        write_and_raise(temporary, error)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_temporary_name_keeps_folder_and_suffixes_and_appears_only_at_the_end(tmp_path):
    path = tmp_path / "a.nii.gz"
    with atomic_path(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith("a.nii.gz")
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"


def test_others_may_read_the_file(tmp_path):
    old = os.umask(0o022)
    try:
        atomic_write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass


def test_names_that_are_taken(tmp_path):
    check_new_file(tmp_path / "new", overwrite=False)
    (tmp_path / "old").write_text("x")
    check_new_file(tmp_path / "old", overwrite=True)
    with pytest.raises(InputError, match=r"old: expected a new file.*--overwrite"):
        check_new_file(tmp_path / "old", overwrite=False)
    for overwrite in (True, False):
        with pytest.raises(InputError, match="found a folder"):
            check_new_file(tmp_path, overwrite)


def test_a_link_that_leads_nowhere_takes_a_name(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"link: expected a new file.*--overwrite"):
        check_new_file(tmp_path / "link", overwrite=False)
    check_new_file(tmp_path / "link", overwrite=True)


def test_what_a_kill_left_goes_when_the_file_is_written_again_after_a_day(tmp_path):
    names = {
        ".part-12-0123abcd-a[1].txt": 25,
        ".part-12-0123abce-a[1].txt": 23,
        ".part-12-0123abcd-a1.txt": 25,
        ".part-12-0123abcd-b.txt": 25,
    }
    for name, hours in names.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, time.time() - 3600 * hours))
    atomic_write_text(tmp_path / "a[1].txt", "text")
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"a[1].txt", *names} - {".part-12-0123abcd-a[1].txt"}
