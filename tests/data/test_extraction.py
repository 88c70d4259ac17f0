import gzip
import io
import os
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import pytest
from http_server import tar_bytes, zip_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pmrnet.data.archive_members import Member
from pmrnet.data.extraction import extract, unpacked_from, write_members
from pmrnet.errors import InputError
from pmrnet.part_folders import HOST

CONTENT = {"a/b/one.txt": b"one" * 100, "a/two.txt": b"", "three.txt": bytes(range(200)) * 10}


FORMATS = {
    "a.tar.gz": tar_bytes,
    "A.TGZ": tar_bytes,
    "a.tar": lambda content: tar_bytes(content, compressed=False),
    "a.zip": zip_bytes,
}


@pytest.fixture(params=list(FORMATS))
def packed(request, tmp_path):
    """Write an archive of the content in one of the formats."""

    def write(content):
        path = tmp_path / request.param
        path.write_bytes(FORMATS[request.param](content))
        return path

    return write


def write(path, data):
    path.write_bytes(data)
    return path


def found_in(folder):
    """Names and bytes below a folder, without the note."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".unpacked.json")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def assert_refused(archive, message, **options):
    """The archive is refused by this message, and nothing is left of it."""
    out = archive.parent / "out"
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError, match=message):
        extract(archive, out / "folder", **options)
    if out.exists():
        out.rmdir()  # fails unless empty
    assert sorted(archive.parent.rglob("*")) == before


def test_content_and_note(packed, tmp_path):
    archive = packed(CONTENT)
    folder = extract(archive, tmp_path / "new" / "out")
    assert found_in(folder) == CONTENT
    assert [p.name for p in folder.parent.iterdir()] == ["out"]
    size = archive.stat().st_size
    origin = {"name": archive.name, "size": size, "mtime": int(archive.stat().st_mtime)}
    assert unpacked_from(folder) == origin
    assert unpacked_from(folder.parent) is None


def test_a_leading_folder_and_unwanted_members_are_left_out(packed, tmp_path):
    archive = packed(CONTENT)
    folder = extract(
        archive, tmp_path / "out", strip="a", members=lambda name: not name.startswith("three")
    )
    assert found_in(folder) == {"b/one.txt": b"one" * 100, "two.txt": b""}


def test_folders_may_be_listed_with_dots_and_twice(tmp_path):
    content = {}
    for name in ("./", "./a/", "./a/x", "a/"):
        info = tarfile.TarInfo(name)
        info.type = tarfile.REGTYPE if name.endswith("x") else tarfile.DIRTYPE
        content[info] = b""
    folder = extract(write(tmp_path / "a.tar.gz", tar_bytes(content)), tmp_path / "out", strip="a")
    assert found_in(folder) == {"x": b""}
    content = {"a/": b"", "a/x": b"1"}
    folder = extract(write(tmp_path / "a.zip", zip_bytes(content)), tmp_path / "out2")
    assert found_in(folder) == {"a/x": b"1"}


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../../x", "C:\\x", "c:x", "..\\x", "a\\..\\..\\x", "//x", "a/.."]
)
def test_names_that_lead_elsewhere_are_refused(packed, name):
    assert_refused(
        packed({"fine": b"1", name: b"2"}), "expected a name inside the folder, .*x|a/.."
    )


def test_names_with_nul_are_refused(tmp_path):
    pax = tarfile.TarInfo("fine")
    pax.pax_headers = {"path": "fine\0.txt"}
    assert_refused(
        write(tmp_path / "a.tar", tar_bytes({pax: b"1"}, compressed=False)),
        r"elsewhere: 'fine\\x00",
    )
    data = zip_bytes({"fine-.txt": b"1"}).replace(b"fine-.txt", b"fine\0.txt")
    assert_refused(write(tmp_path / "a.zip", data), r"elsewhere: 'fine\\x00")


KINDS = {
    "symlink": (tarfile.SYMTYPE, "a link to 'fine'"),
    "hard link": (tarfile.LNKTYPE, "a link to 'fine'"),
    "fifo": (tarfile.FIFOTYPE, "a device or pipe"),
    "character device": (tarfile.CHRTYPE, "a device or pipe"),
    "block device": (tarfile.BLKTYPE, "a device or pipe"),
    "unknown": (b"Z", "a device or pipe"),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("target", ["fine", "/etc/passwd"])
def test_links_and_devices_are_refused(tmp_path, kind, target):
    odd = tarfile.TarInfo("odd")
    odd.type, message = KINDS[kind]
    odd.linkname = target
    data = tar_bytes({"fine": b"1", odd: b""})
    message = message.replace("fine", target) + ": 'odd'"
    assert_refused(write(tmp_path / "a.tar.gz", data), message)


@pytest.mark.parametrize(("mode", "found"), [(0o120777, "a link"), (0o010644, "a device")])
def test_links_and_devices_in_zip_archives_are_refused(tmp_path, mode, found):
    odd = zipfile.ZipInfo("odd")
    odd.external_attr = mode << 16
    data = zip_bytes({"fine": b"1", odd: b"/etc/passwd"})
    assert_refused(write(tmp_path / "a.zip", data), f"found {found}: 'odd'")


def test_unwanted_members_are_checked_too(packed):
    assert_refused(packed({"fine": b"1", "../x": b"2"}), "elsewhere", members="fine".__eq__)


def test_a_sparse_file_is_refused(tmp_path):
    # GNU's form 0.1: one real byte that stands for an exabyte.
    odd = tarfile.TarInfo("odd")
    odd.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**18)}
    data = tar_bytes({odd: b"1"})
    assert_refused(write(tmp_path / "a.tar.gz", data), "a sparse file: 'odd'")


def test_an_encrypted_member_is_refused(tmp_path):
    data = bytearray(zip_bytes({"fine": b"1"}))
    central = data.index(b"PK\1\2")
    data[6] |= 1
    data[central + 8] |= 1
    assert_refused(write(tmp_path / "a.zip", bytes(data)), "an encrypted one: 'fine'")


@pytest.mark.parametrize(
    "names",
    [
        ["x", "x"],
        ["x", "./x"],
        ["a/x", "a//x"],
        ["x", "x/y"],
        ["x/y", "x"],
        ["x", "x/"],
        ["x/", "x"],
    ],
)
@pytest.mark.parametrize("ending", [".tar.gz", ".zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_given_twice_are_refused(tmp_path, names, ending):
    if ending == ".zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name in names:
                archive.writestr(name, b"")
        data = stream.getvalue()
    else:
        infos = [tarfile.TarInfo(name) for name in names]
        for info in infos:
            info.type = tarfile.DIRTYPE if info.name.endswith("/") else tarfile.REGTYPE
        data = tar_bytes(dict.fromkeys(infos, b""))
    assert_refused(write(tmp_path / f"a{ending}", data), "expected each name once, found '.*x.*'")


def test_bombs_are_refused(packed):
    archive = packed({"small": b"1", "bomb": bytes(5_000_000)})
    assert_refused(
        archive, r"at most 0\.001 GB in 100000 members, found more at 'bomb'", max_bytes=10**6
    )
    assert_refused(packed({str(i): b"" for i in range(6)}), "found more at '5'", max_files=5)
    out = extract(packed({str(i): b"1" for i in range(5)}), archive.parent / "o", max_files=5)
    assert len(found_in(out)) == 5


def test_a_bomb_behind_the_end_of_the_archive_is_refused(tmp_path):
    data = gzip.compress(tar_bytes({"a": b"1"}, compressed=False) + bytes(30_000_000))
    assert_refused(write(tmp_path / "a.tar.gz", data), "GB of content", max_bytes=10, max_files=9)


def test_a_header_of_unreasonable_size_is_refused(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 10**9
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(4096)
    assert_refused(write(tmp_path / "a.tar", data), "a header of 1000000000 bytes")


def test_a_chain_of_headers_without_end(tmp_path):
    link = tarfile.TarInfo("././@LongLink")
    link.type, link.size = tarfile.GNUTYPE_LONGNAME, 1
    data = (link.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * 3000
    assert_refused(write(tmp_path / "a.tar", data + bytes(1024)), "damaged")


def test_a_negative_size_is_refused(tmp_path):
    info = tarfile.TarInfo("odd")
    info.size = -1024
    data = info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
    assert_refused(write(tmp_path / "a.tar", data), "damaged")


@pytest.mark.parametrize("chunks", [[b"12345"], [b"1", b"2"], []])
def test_members_that_are_not_of_the_declared_size_are_refused(tmp_path, chunks):
    member = Member(PurePosixPath("x"), False, 4, lambda: iter(chunks))
    with pytest.raises(InputError, match="expected 4 bytes in 'x', found"):
        write_members([member], tmp_path / "out", "a.tar", {})
    assert list(tmp_path.iterdir()) == []


def test_archives_cut_short_are_refused(packed, tmp_path):
    whole = packed(CONTENT).read_bytes()
    name = packed(CONTENT).name
    end = len(whole)
    if name == "a.tar":  # whose end is two empty blocks, the first of which counts, and padding
        end = max(i for i in range(0, len(whole), 512) if any(whole[i : i + 512])) + 512
        assert end % 512 == 0
    cuts = sorted({0, 1, 100, 512, 600, end // 2, end - 600, end - 512, end - 1, end - 5})
    for i, size in enumerate(cut for cut in cuts if 0 <= cut < end):
        folder = tmp_path / f"cut{i}"
        folder.mkdir()
        assert_refused(write(folder / name, whole[:size]), "expected a whole archive")
    if name == "a.tar":
        folder = tmp_path / "end"
        folder.mkdir()
        assert_refused(write(folder / name, whole[:end]), "its end is missing")


@pytest.mark.parametrize("entry", [0, 1])
def test_a_zip_directory_with_a_wrong_length_is_refused(tmp_path, entry):
    data = bytearray(zip_bytes(CONTENT))
    start = data.index(b"PK\1\2")
    for _ in range(entry):
        start = data.index(b"PK\1\2", start + 1)
    data[start + 32] = 200  # bytes of comment: the following entries become one
    assert_refused(write(tmp_path / "a.zip", bytes(data)), "runs into the next entry")


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_damage_is_noticed_or_harmless(name, data, tmp_path):
    whole = bytearray(FORMATS[name](CONTENT))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    archive = write(tmp_path / name, bytes(whole))
    try:
        found = found_in(extract(archive, tmp_path / "out"))
    except InputError:
        assert list(tmp_path.iterdir()) == [archive]
    else:
        assert found == CONTENT


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(st.text("ab./\\:C\0é ", min_size=1, max_size=8), min_size=1, max_size=4))
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("ending", [".tar", ".zip"])
def test_nothing_is_ever_written_elsewhere(names, ending, tmp_path):
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    if ending == ".zip":  # zipfile itself cannot write a NUL
        names = [name.replace("\0", "_") for name in names]
    content = dict.fromkeys(names, b"x")
    data = tar_bytes(content, compressed=False) if ending == ".tar" else zip_bytes(content)
    archive = write(tmp_path / f"a{ending}", data)
    out = tmp_path / "deep" / "out"
    try:
        extract(archive, out)
    except InputError:
        assert sorted(p.name for p in tmp_path.rglob("*")) == [archive.name, "deep"]
    else:
        inside = {p for p in tmp_path.rglob("*") if p.is_relative_to(out)}
        assert set(tmp_path.rglob("*")) - inside == {archive, out.parent}
        # tarfile ends names at a NUL when it reads.
        written = {os.path.normpath(n.split("\0")[0]) for n in names if not n.endswith("/")}
        assert written <= {"."} | set(found_in(out))


@pytest.mark.parametrize("data", [b"", b"<html>404</html>", bytes(2048), b"\x1f\x8b" + bytes(50)])
@pytest.mark.parametrize("name", list(FORMATS))
def test_what_is_no_archive_is_refused(tmp_path, data, name):
    assert_refused(write(tmp_path / name, data), "expected (a whole archive|files to unpack)")


def test_an_archive_without_wanted_files_is_refused(packed):
    assert_refused(packed(CONTENT), "expected files to unpack, found none", members=lambda _: False)
    assert_refused(packed({}), "expected files to unpack, found none")


def test_a_missing_archive(tmp_path):
    with pytest.raises(InputError, match="expected an archive, found that it cannot be opened"):
        extract(tmp_path / "a.zip", tmp_path / "out")


def test_a_folder_that_cannot_be_made(packed):
    archive = packed(CONTENT)
    with pytest.raises(InputError, match=r"to unpack it into .*, found Not a directory"):
        extract(archive, archive / "out")
    with pytest.raises(InputError, match=r"to unpack it into .*, found File name too long"):
        extract(packed({"x" * 300: b"1"}), archive.parent / "out")
    assert list(archive.parent.iterdir()) == [archive]


def test_an_existing_folder_is_left_alone_unless_empty(packed, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    extract(packed(CONTENT), folder)
    (folder / "three.txt").write_bytes(b"mine")
    with pytest.raises(InputError, match="expected no such folder yet"):
        extract(packed(CONTENT), folder)
    assert (folder / "three.txt").read_bytes() == b"mine"
    file = write(tmp_path / "file", b"1")
    with pytest.raises(InputError, match="expected no such folder yet"):
        extract(packed(CONTENT), file)


def test_a_full_disk(packed, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1999))
    assert_refused(packed(CONTENT), "expected room for 2.0 kB, found 2.0 kB")


def test_an_interrupt_leaves_nothing(tmp_path):
    def interrupt():
        yield b"12"
        raise KeyboardInterrupt

    member = Member(PurePosixPath("x"), False, 4, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_members([member], tmp_path / "out", "a.tar", {})
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_killed_processes_are_removed_and_those_at_work_are_not(
    gone_process, tmp_path
):
    left = tmp_path / f".part-{HOST}-{gone_process}-01234567-out"
    kept = [
        tmp_path / f".part-{HOST}-{os.getpid()}-01234567-out",
        tmp_path / f".part-{HOST}-{gone_process}-01234567-other",
        tmp_path / f".part-00000000-{gone_process}-01234567-out",  # of another machine
        tmp_path / "out2",
    ]
    for folder in (left, *kept):
        folder.mkdir()
        (folder / "x").write_bytes(b"1")
    extract(write(tmp_path / "a.tar", tar_bytes(CONTENT, compressed=False)), tmp_path / "out")
    assert not left.exists()
    assert all((folder / "x").exists() for folder in kept)


def test_a_note_that_cannot_be_read(tmp_path):
    for text in ("{", "[]", "{}", '{"archive": 3}', '"x"'):
        (tmp_path / ".unpacked.json").write_text(text)
        assert unpacked_from(Path(tmp_path)) is None
