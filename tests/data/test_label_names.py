"""Names of labels, told by their numbers."""

import pytest

from pmrnet.data.label_names import FREESURFER, LPBA40, NO_REGION, label_names
from pmrnet.protocol import Protocol

ASEG = {2, 3, 4, 10, 11, 12, 13, 17, 18, 24, 41, 42, 43, 49, 50, 51, 52, 53, 54}
DKT = {1000 * side + i for side in (1, 2) for i in range(1, 36) if i not in (1, 4, 32, 33)}


def test_lpba40_s_are_those_of_its_protocol():
    protocol = Protocol.load("lpba40")
    assert {label: LPBA40[label] for label in protocol.labels} == protocol.labels
    assert len(LPBA40) == 56
    found, whose = label_names(LPBA40)
    assert (found, whose) == (dict(sorted(LPBA40.items())), "LPBA40")


def test_freesurfer_s_are_those_of_desikan_and_killiany():
    protocol = Protocol.load("mindboggle-dkt31")
    ours, theirs = (
        {label: "".join(c for c in name.lower() if c.isalpha()) for label, name in table.items()}
        for table in (FREESURFER, protocol.labels)
    )
    assert {label: ours[label] for label in theirs} == theirs
    assert set(protocol.labels) == DKT


@pytest.mark.parametrize("labels", [ASEG, DKT, ASEG | DKT | {1000, 2000, 77}])
def test_freesurfer(labels):
    found, whose = label_names(labels)
    assert whose == "FreeSurfer"
    assert {found[label] for label in NO_REGION & labels} <= {"label 1000", "label 2000"}
    assert all(found[label] == FREESURFER[label] for label in labels - NO_REGION)


@pytest.mark.parametrize(
    "labels",
    [{1, 2, 3}, {17, 53}, range(1, 96), range(20, 60), {10, 11, 12, 13}, set(LPBA40) | ASEG],
)
def test_numbers_of_nobody(labels):
    found, whose = label_names(labels)
    assert whose is None
    assert found == {label: f"label {label}" for label in sorted(labels)}


def test_a_few_strays_do_not_hide_whose_they_are():
    found, whose = label_names(DKT | {1032, 9999})
    assert whose == "FreeSurfer"
    assert found[9999] == "label 9999"
    assert found[1032] == "left frontal pole"
