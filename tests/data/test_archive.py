import os
import tarfile
import zipfile

import pytest
from http_server import site_archive, tar_bytes, zip_bytes

from pmrnet.data.archive import SITES, unpack_tree
from pmrnet.data.lpba40 import find_subjects
from pmrnet.errors import InputError

LPBA40 = {
    f"LPBA40subjects.delineation_space/LPBA40/delineation_space/S01/S01.delineation.{name}": b"1"
    for name in (
        "skullstripped.hdr",
        "skullstripped.img.gz",
        "structure.label.hdr",
        "structure.label.img.gz",
    )
}


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def cohorts(folder):
    """Subjects by cohort, those with both of their volumes."""
    return {
        cohort.name: sorted(
            subject.name
            for subject in cohort.iterdir()
            if {p.name for p in subject.glob("*")}
            == {"t1weighted_brain.nii.gz", "labels.DKT31.manual.nii.gz"}
        )
        for cohort in sorted(folder.glob("*_volumes"))
    }


def of(*sites):
    return {f"{site}_volumes": [f"{site}-1", f"{site}-2"] for site in sorted(sites)}


def listing(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


def release(*sites, prefix="Mindboggle101_release3/", **more):
    content = {f"{prefix}{site}_volumes.tar.gz": site_archive(site) for site in sites}
    return zip_bytes({"README.txt": b"hello", **content, **more})


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "raw").mkdir()
    return tmp_path / "raw"


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


def test_a_folder_without_archives_is_returned_as_it_is(raw, work):
    assert unpack_tree(raw, work) == raw
    write(raw / "S01" / "x.nii.gz", b"1")
    write(raw / "archives" / "NKI-RS-22_volumes.tar.gz", b"1")
    assert unpack_tree(raw, work) == raw
    assert not work.exists()


@pytest.mark.parametrize("top", [True, False], ids=["folder on top", "none"])
def test_a_cohorts_archive_is_unpacked_once(raw, work, top):
    archive = write(raw / "MMRR-21_volumes.tar.gz", site_archive("MMRR-21", top=top))
    assert unpack_tree(archive, work) == work
    assert cohorts(work) == of("MMRR-21")
    before = listing(work)
    assert unpack_tree(archive, work) == work
    assert listing(work) == before


def test_a_folder_of_cohorts_is_unpacked(raw, work):
    for site in (*SITES, "MMRR-21"):
        write(raw / f"{site}_volumes.tar.gz", site_archive(site))
    write(raw / ".hidden.zip", b"1")
    assert unpack_tree(raw, work) == work
    assert cohorts(work) == of(*SITES)
    before = listing(work)
    assert unpack_tree(raw, work) == work
    assert listing(work) == before
    unpack_tree(raw, work, ["MMRR-21"])
    assert cohorts(work) == of(*SITES, "MMRR-21")


def test_archives_are_unpacked_where_they_are_if_that_is_the_place(raw):
    archive = write(raw / "NKI-RS-22_volumes.tar.gz", site_archive("NKI-RS-22"))
    by_hand = raw / "OASIS-TRT-20_volumes" / "OASIS-TRT-20-1"
    write(raw / "OASIS-TRT-20_volumes.tar.gz", b"no archive, and not needed")
    write(by_hand / "t1weighted_brain.nii.gz", b"1")
    for _ in range(2):
        assert unpack_tree(raw, raw) == raw
        assert cohorts(raw)["NKI-RS-22_volumes"] == ["NKI-RS-22-1", "NKI-RS-22-2"]
    archive.unlink()
    assert unpack_tree(raw, raw) == raw


def test_what_was_unpacked_by_hand_counts(raw, work):
    write(raw / "NKI-RS-22_volumes.tar.gz", site_archive("NKI-RS-22"))
    write(raw / "NKI-RS-22_volumes" / "NKI-RS-22-1" / "x", b"1")
    assert unpack_tree(raw, work) == raw
    assert not work.exists()
    write(raw / "NKI-TRT-20_volumes.tar.gz", site_archive("NKI-TRT-20"))
    message = "found NKI-RS-22_volumes unpacked and NKI-TRT-20_volumes as archives"
    with pytest.raises(InputError, match=message):
        unpack_tree(raw, work)
    assert not work.exists()


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_release_in_one_zip_archive(raw, work, as_folder):
    junk = {"__MACOSX/._OASIS-TRT-20_volumes.tar.gz": b"1", "fsaverage.tar.gz": b"1"}
    archive = write(raw / "Mindboggle101_release3.zip", release(*SITES, "MMRR-21", **junk))
    given = raw if as_folder else archive
    assert unpack_tree(given, work) == work
    assert cohorts(work) == of(*SITES)
    assert sorted(p.name for p in work.iterdir()) == sorted(of(*SITES))
    before = listing(work)
    assert unpack_tree(given, work) == work
    assert listing(work) == before


def test_a_release_goes_on_after_a_kill(raw, work):
    broken = {"NKI-TRT-20_volumes.tar.gz": site_archive("NKI-TRT-20")[:-9]}
    archive = write(raw / "r.zip", release("OASIS-TRT-20", "NKI-RS-22", prefix="", **broken))
    with pytest.raises(InputError, match=r"r\.zip: NKI-TRT-20_volumes\.tar\.gz: .* incomplete"):
        unpack_tree(archive, work)
    assert cohorts(work) == of("OASIS-TRT-20", "NKI-RS-22")
    before = listing(work)
    with pytest.raises(InputError, match="incomplete"):
        unpack_tree(archive, work)
    assert listing(work).keys() == before.keys()


def test_a_release_with_wrong_bytes(raw, work):
    # Stored, not compressed: nothing but the zip archive's checksum can tell.
    inner = tar_bytes({"NKI-RS-22_volumes/NKI-RS-22-1/x": b"abcdefgh"}, compressed=False)
    with zipfile.ZipFile(raw / "r.zip", "w") as archive:
        archive.writestr("NKI-RS-22_volumes.tar", inner)
    path = write(raw / "r.zip", (raw / "r.zip").read_bytes().replace(b"abcdefgh", b"abcdefgX"))
    with pytest.raises(InputError, match="damaged"):
        unpack_tree(path, work)
    assert list(work.iterdir()) == []


def test_a_release_without_the_wanted_cohorts_or_with_two_of_one(raw, work):
    archive = write(raw / "r.zip", release("MMRR-21"))
    with pytest.raises(InputError, match=r"each once, found .*MMRR-21_volumes\.tar\.gz"):
        unpack_tree(archive, work)
    twice = {"old/NKI-RS-22_volumes.tar.gz": site_archive("NKI-RS-22")}
    archive = write(raw / "r.zip", release("NKI-RS-22", **twice))
    with pytest.raises(InputError, match="each once"):
        unpack_tree(archive, work)
    assert not work.exists()


def test_a_release_whose_inner_archive_is_not_safe(raw, work):
    inner = tar_bytes({"../escape": b"1"})
    archive = write(raw / "r.zip", zip_bytes({"NKI-RS-22_volumes.tar.gz": inner}))
    with pytest.raises(InputError, match=r"tar\.gz: .*elsewhere: '../escape'"):
        unpack_tree(archive, work)
    link = tarfile.TarInfo("x")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    archive = write(raw / "r.zip", zip_bytes({"NKI-RS-22_volumes.tar.gz": tar_bytes({link: b""})}))
    with pytest.raises(InputError, match="a link to '/etc'"):
        unpack_tree(archive, work)
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("name", ["LPBA40subjects.delineation_space.zip", "mine.tar.gz", "x.tgz"])
def test_lpba40_as_loni_gives_it(raw, name):
    data = zip_bytes(LPBA40) if name.endswith("zip") else tar_bytes(LPBA40)
    archive = write(raw / name, data)
    for _ in range(2):
        for given in (archive, raw):  # the place of the archive is the place to unpack into
            folder = unpack_tree(given, raw)
            assert list(find_subjects(folder)) == ["S01"]
    archive.unlink()
    assert list(find_subjects(unpack_tree(raw, raw))) == ["S01"]


def test_an_archive_beside_folders_is_not_needed(raw, work):
    write(raw / "LPBA40.zip", zip_bytes(LPBA40))
    write(raw / "S01" / "x", b"1")
    assert unpack_tree(raw, work) == raw


def test_several_archives_are_too_many(raw, work):
    write(raw / "a.zip", zip_bytes(LPBA40))
    write(raw / "b.zip", zip_bytes(LPBA40))
    with pytest.raises(InputError, match=r"found a\.zip, b\.zip; give the right one"):
        unpack_tree(raw, work)


def test_another_archive_of_the_same_name_is_not_passed_off(raw, work):
    archive = write(raw / "NKI-RS-22_volumes.tar.gz", site_archive("NKI-RS-22"))
    unpack_tree(archive, work)
    before = listing(work)
    os.utime(archive, (10**9, 10**9))
    with pytest.raises(InputError, match="of another size, date or place; remove the folder"):
        unpack_tree(archive, work)
    assert listing(work) == before


def test_a_folder_of_someone_else_is_not_written_to(raw, work):
    archive = write(raw / "NKI-RS-22_volumes.tar.gz", site_archive("NKI-RS-22"))
    mine = write(work / "NKI-RS-22_volumes" / "mine", b"1")
    with pytest.raises(InputError, match="expected no such folder yet"):
        unpack_tree(archive, work)
    assert list(mine.parent.iterdir()) == [mine]


def test_what_is_neither_folder_nor_archive(raw, work):
    with pytest.raises(InputError, match="found another file; give the data set as downloaded"):
        unpack_tree(write(raw / "x.nii.gz", b"1"), work)
    with pytest.raises(InputError, match="found nothing there"):
        unpack_tree(raw / "no.zip", work)
