import re

from pmrnet.data.archive import unpack_tree
from pmrnet.data.lpba40 import find_subjects
from pmrnet.data.lpba40_download import lpba40_instructions


def test_instructions_name_item_place_and_command():
    text = lpba40_instructions()
    for words in (
        "resource.loni.usc.edu/resources/atlases-downloads/",
        '"LPBA40 Subjects Delineation Space: MRI and label files in delineation space"',
        "S01 ... S40",
        "make data DATASET=lpba40 RAW=<folder or archive>",
    ):
        assert words in text


def test_the_files_that_are_named_are_those_that_are_read(tmp_path):
    names = re.findall(r"Sxx(\S+\.hdr)\s+and (\.img\.gz)", lpba40_instructions())
    assert len(names) == 2
    for header, voxels in names:
        for name in (header, header.removesuffix(".hdr") + voxels):
            path = tmp_path / "S07" / f"S07{name}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"1")
    assert list(find_subjects(unpack_tree(tmp_path, tmp_path / "work"))) == ["S07"]
