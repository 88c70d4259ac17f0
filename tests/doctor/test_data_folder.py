"""The check of a whole data set."""

import io
import subprocess
import sys

import pytest
from rich.console import Console
from small_sets import AFFINE, NAMES, SPLITS, brain, image_path, make_set, prepare

from pmrnet.data.volume import save_image
from pmrnet.doctor import check_data
from pmrnet.protocol import Protocol


def check(path, folder, processes=1):
    console = Console(file=io.StringIO())
    return check_data(path, folder, processes, console), console.file.getvalue()


def wrong(findings):
    return [finding.what for finding in findings if finding.level != "ok"]


def test_all_is_well(tmp_path):
    path = make_set(tmp_path)
    for name in NAMES:
        prepare(tmp_path, name)
    findings, shown = check(path, tmp_path / "prepared")
    assert wrong(findings) == []
    assert [finding.what.partition(":")[0] for finding in findings] == [
        "Protocol mine",
        "Images read",
        "Label maps",
        "Prepared",
        "Mean Dice of 3 test pairs before registration",
    ]
    assert "Reading files" in shown
    assert "7/7" in shown


def test_before_anything_is_prepared(tmp_path):
    path = make_set(tmp_path)
    findings, _ = check(Protocol.load(path), tmp_path / "none")
    assert wrong(findings) == ["No subject is prepared yet."]
    assert findings[-1].advice == "Run `make data DATASET=mine`."
    findings, _ = check(path, tmp_path / "none")
    assert findings[-1].advice == f"Run `make data DATASET={path}`."


def test_a_subject_in_two_splits_is_a_finding(tmp_path):
    path = make_set(tmp_path, validation=["c", "a"])
    (finding,) = check(path, tmp_path)[0]
    assert finding.level == "error"
    assert "'a' in 'train' too" in finding.what


def test_one_line_for_each_thing_that_is_wrong_and_no_traceback(tmp_path):
    path = make_set(tmp_path)
    image_path(tmp_path, "a").write_bytes(b"damaged")
    image_path(tmp_path, "b").unlink()
    image_path(tmp_path, "d").write_bytes(image_path(tmp_path, "c").read_bytes())
    save_image(image_path(tmp_path, "p"), brain(4) + 1, AFFINE)
    findings, _ = check(path, tmp_path / "none")
    told = wrong(findings)
    assert len(told) == 5
    assert told[0].startswith(f"a: {image_path(tmp_path, 'a')}: expected gzip-compressed content")
    assert told[1].startswith(f"b: {image_path(tmp_path, 'b')}: expected an image file, found none")
    assert "as in a whole head" in told[2]
    assert told[3] == "c, d: one image for 2 subjects."


def test_known_data_sets_are_read_where_they_were_prepared_from(tmp_path):
    make_set(tmp_path)
    path = make_set(tmp_path, data={"source": "mindboggle"})
    findings, _ = check(path, tmp_path / "prepared")
    assert wrong(findings) == ["No files of mine are known before it is prepared."]
    for name in SPLITS["test"]:
        prepare(tmp_path, name)
    findings, shown = check(path, tmp_path / "prepared")
    assert "3/3" in shown
    assert wrong(findings) == [
        "train: 2 of 2 not prepared (a, b).",
        "validation: 2 of 2 not prepared (c, d).",
    ]


@pytest.mark.slow
def test_no_framework_is_imported_and_processes_work(tmp_path):
    path = make_set(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pmrnet.doctor import check_data\n"
        "if __name__ == '__main__':\n"
        f"    print(len(check_data({str(path)!r}, 'none', processes=2)))\n"
        "    print(sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["4", "[]"]


@pytest.mark.slow
@pytest.mark.data
def test_real_subjects_are_well(data_path, tmp_path):
    from pmrnet.data.draft import write_draft

    if not (data_path / "lpba40").is_dir():
        pytest.skip(f"no lpba40 in {data_path}")
    quiet = Console(file=io.StringIO())
    path = write_draft(data_path / "lpba40", tmp_path / "mine.yaml", console=quiet)
    findings, _ = check(path, tmp_path / "none", processes=None)
    told = wrong(findings)
    # The images are 0 over cerebellum and brain stem, which the draft cannot know.
    assert [text[:9] for text in told] == ["Label 181", "Label 182", "No subjec"]
    assert "40 of 40 subjects" in told[0]
