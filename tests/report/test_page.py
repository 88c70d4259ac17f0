import base64
import hashlib
import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from html_reader import HOSTILE, Reader
from scipy import ndimage

from pmrnet.data.volume import load_image
from pmrnet.metrics import jacobian_determinant
from pmrnet.report import display_grid, page, to_display_grid, write_report
from pmrnet.report.page import report_page


def read(content, **options):
    return Reader(report_page(content, **options))


def test_what_a_report_says(make_content):
    text = read(make_content(metrics={"epochs": 3})).text
    for words in (
        "fixed.nii.gz",
        "moving.nii.gz",
        "1 warning",
        "Something is odd. Look at it.",
        "rose from",
        "Neurological convention",
        "Axial",
        "Coronal",
        "Sagittal",
        "left half",
        "epochs",
        "pmrnet 0",
        "1.5 s",
        "machine: cores",
    ):
        assert words in text
    assert text.index("1 warning") < text.index("Axial") < text.index("pmrnet 0")


def test_table_of_overlaps(make_content):
    content = make_content(moving_labels=np.zeros((30, 36, 28), int), moved_labels=None)
    # Exactly one map: no column for the other, no change.
    text = read(content).text
    assert "Before" in text
    assert "Change" not in text
    assert text.count("0.000") >= 3  # two labels and their mean
    both = read(
        make_content(moved_labels=content.fixed_labels, moving_labels=content.moving_labels)
    )
    assert both.text.count("+1.000") == 3


def test_optional_parts_are_left_out(make_content):
    full = read(make_content()).text
    bare = read(make_content(uncertainty=None, fixed_labels=None, warnings=[], provenance={}))
    for words in ("Uncertainty", "Overlap of the labels", "Provenance"):
        assert words in full
        assert words not in bare.text
    assert "No warnings" in bare.text
    assert "panel-uncertainty" not in str(bare.tags)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_convention_is_said_and_marked(make_content, mirrored):
    reader = read(make_content(), radiological=mirrored)
    side = "right" if mirrored else "left"
    name = "Radiological" if mirrored else "Neurological"
    assert f"{name} convention" in reader.text
    assert f"the left (L) of the brain is on the {side} of the picture" in reader.text
    text = report_page(make_content(), mirrored)
    marks = set(re.findall(r'<span class="mark (\w+)" aria-hidden="true">([LR])</span>', text))
    assert marks == {(side, "L"), ("left" if mirrored else "right", "R")}


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_names_stay_text(make_content, evil):
    plain = read(make_content())
    reader = read(
        make_content(
            fixed_name=evil,
            moving_name=evil,
            label_names={1: evil},
            warnings=[evil],
            metrics={evil: evil},
            provenance={evil: {evil: evil}, "files": [evil, evil]},
        )
    )
    assert reader.text.count(evil) >= 9
    # No element more than in a harmless report of as many rows.
    kinds = {tag for tag, _ in plain.tags}
    assert {tag for tag, _ in reader.tags} == kinds
    assert sum(tag == "script" for tag, _ in reader.tags) == 1
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)


def test_undecodable_file_names(make_content, tmp_path):
    path = write_report(tmp_path / "a.html", make_content(fixed_name="sub-\udcff.nii"))
    assert "sub-\\udcff.nii" in path.read_text(encoding="utf-8")


def test_nothing_is_loaded_from_elsewhere(make_content):
    text = report_page(make_content())
    reader = Reader(text)
    for _, attributes in reader.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert attributes.get(name, "data:").startswith(("data:", "#"))
    assert all(url.startswith("data:image/") for url in re.findall(r"url\(([^)]*)\)", text))
    assert "@import" not in text
    assert "http:" not in text
    assert "https:" not in text


def test_policy_allows_this_script_and_no_other(make_content):
    text = report_page(make_content())
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (
        attributes["content"]
        for tag, attributes in Reader(text).tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_elements_are_balanced(make_content):
    """As XML, once the elements that HTML never closes are closed."""
    text = report_page(make_content())
    closed = re.sub(r"<(meta|link|input|br)\b([^>]*)>", r"<\1\2/>", text)
    closed = re.sub(r"<(style|script)>.*?</\1>", "", closed, flags=re.DOTALL)
    root = ElementTree.fromstring(closed.removeprefix("<!DOCTYPE html>"))
    identifiers = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(set(identifiers)) == len(identifiers)
    named = [e.get("aria-labelledby") for e in root.iter() if e.get("aria-labelledby")]
    assert set(named) <= set(identifiers)
    headings = [int(e.tag[1]) for e in root.iter() if re.fullmatch(r"h\d", e.tag)]
    assert headings[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))


def test_a_failure_keeps_the_old_file(make_content, tmp_path, monkeypatch):
    path = tmp_path / "deep" / "report.html"
    assert write_report(path, make_content()) == path
    old = path.read_bytes()

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "to_html", fail)
    with pytest.raises(KeyboardInterrupt):
        write_report(path, make_content())
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.data
def test_size_of_a_real_brain_at_one_millimetre(make_content, data_path):
    def load(subject):
        folder = data_path / "lpba40" / subject
        return load_image(folder / f"{subject}.delineation.skullstripped.nii.gz")

    fixed, moving = load("S01"), load("S02")
    grid = display_grid(fixed)
    assert grid.affine[0, 0] == 1
    images = {"fixed": to_display_grid(fixed, grid), "moving": to_display_grid(moving, grid)}
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=(*grid.shape, 3)), (8, 8, 8, 0))
    displacement = (10 * noise / np.abs(noise).max()).astype(np.float32)
    content = make_content(
        **images,
        moved=images["moving"],
        displacement=displacement,
        jacobian=jacobian_determinant(displacement),
        affine=grid.affine,
        uncertainty=np.linalg.norm(displacement, axis=-1),
        fixed_labels=None,
        moving_labels=None,
        moved_labels=None,
    )
    assert len(report_page(content)) < 8e6
