"""What the files of all subjects show together."""

from fake_subjects import tiny_protocol
from pmrnet.data.section import DataSection
from pmrnet.doctor.raw_files import RawReport
from pmrnet.doctor.raw_findings import raw_findings

PROTOCOL = tiny_protocol()  # labels 1 to 4
IDS = [1, 2, 3, 4]


def reports(**changes):
    """Reports of three subjects that are as they should be, each changed by a dict of its name."""
    result = {}
    for name in "abc":
        content = {"image": f"image {name}", "labels": f"labels {name}"}
        values = {"grid": "7x8x9 of 1 mm", "content": content, "ids": IDS}
        result[name] = RawReport(**(values | changes.get(name, {})))
    return result


def wrong(found, protocol=PROTOCOL):
    return [finding for finding in raw_findings(protocol, found) if finding.level != "ok"]


def test_all_is_well():
    findings = raw_findings(PROTOCOL, reports())
    assert [finding.level for finding in findings] == ["ok", "ok"]
    assert findings[0].what == "Images read: 3, of 7x8x9 of 1 mm (3)."
    assert findings[1].what == "Label maps: 3, each with all 4 labels."


def test_problems_are_one_line_each():
    found = wrong(reports(b={"problems": ["one.nii: bad", "two.nii: bad"]}))
    assert [finding.what for finding in found] == ["b: one.nii: bad", "b: two.nii: bad"]
    assert {finding.level for finding in found} == {"error"}


def test_copies():
    found = wrong(reports(b={"content": {"image": "image a", "labels": "x", "mask": "m"}}))
    assert [(f.level, f.what) for f in found] == [("error", "a, b: one image for 2 subjects.")]
    found = wrong(
        reports(c={"content": {"labels": "labels b"}}, b={"content": {"image": "labels b"}})
    )
    assert found == []  # other roles
    found = wrong(reports(c={"content": {"labels": "labels b"}}))
    assert [f.what for f in found] == ["b, c: one label map for 2 subjects."]
    masks = {name: {"content": {"mask": "m", "image": name}} for name in "abc"}
    assert wrong(reports(**masks)) == []


def test_labels_that_are_lacking():
    found = wrong(reports(a={"ids": [1, 2, 4]}, b={"ids": [1, 2]}, c={"ids": [1, 2, 4]}))
    assert [finding.what for finding in found] == [
        "a, c: no label 3 of the 4 labels.",
        "b: no label 3, 4 of the 4 labels.",
    ]
    assert {finding.level for finding in found} == {"warning"}


def test_labels_that_are_not_scored():
    findings = raw_findings(PROTOCOL, reports(**{name: {"ids": [*IDS, 181]} for name in "abc"}))
    assert {finding.level for finding in findings} == {"ok"}
    assert "ignored: 181, in all label maps." in findings[1].what
    (finding,) = wrong(reports(a={"ids": [*IDS, 181, 182]}, b={"ids": [*IDS, 181]}))
    assert "ignored: 181 (in 2), 182 (in 1) of 3 label maps." in finding.what


def test_labels_where_there_is_no_brain():
    found = wrong(reports(a={"outside": {1: 0.4, 2: 0.6}}, b={"outside": {2: 1.0}}))
    assert [finding.what for finding in found] == [
        "Label 2 (two): the image is 0 over most of it in 2 of 3 subjects (a, b)."
    ]
    assert "not_scored" in found[0].advice


def test_assumptions_of_files_but_not_of_known_data_sets():
    assumed = {name: {"assumed": "it has no affine"} for name in "ab"}
    (finding,) = wrong(reports(**assumed))
    assert (finding.level, finding.what) == ("warning", "a, b: it has no affine.")
    known = tiny_protocol(data=DataSection("lpba40"))
    assert wrong(reports(**assumed), known) == []


def test_without_labels():
    found = reports(**{name: {"ids": None} for name in "abc"})
    assert [f.what for f in raw_findings(PROTOCOL, found)] == [
        "Images read: 3, of 7x8x9 of 1 mm (3)."
    ]
    unlabelled = tiny_protocol(labels={}, groups={})
    assert len(raw_findings(unlabelled, reports())) == 1


def test_many_grids():
    found = reports(**{name: {"grid": name} for name in "abc"}) | {"d": RawReport(grid="d")}
    assert "and 1 other grids." in raw_findings(PROTOCOL, found)[0].what
