import json
from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from fake_subjects import blocks, oblique, provenance, subject, tiny_protocol
from pmrnet.errors import InputError
from pmrnet.evaluation import evaluate, header_moved_labels, identity_of, moved_labels
from pmrnet.folder_lock import LOCK
from pmrnet.metrics import dice_per_label, folding_fraction, jacobian_determinant, sdlogj
from pmrnet.partial_result import PARTIAL
from pmrnet.results import load_result
from pmrnet.surface_distance import hd95_per_label

GRID = (8, 7, 9)
PROTOCOL = tiny_protocol()
PAIRS = PROTOCOL.pairs("test")


def make_subjects():
    rng = np.random.default_rng(0)
    shapes = {"p": (7, 8, 9), "q": (9, 7, 8), "r": (8, 9, 7)}
    return {
        name: subject(name, blocks(rng, shape), oblique(rng), oblique(rng))
        for name, shape in shapes.items()
    }


SUBJECTS = make_subjects()


def brain(name):
    image = np.zeros(GRID, np.float32)
    image["pqr".index(name) : -1, 1:-1, 2:-2] = 0.5
    return image


class Method:
    """A displacement that depends on the pair; counts its calls and stops after some."""

    def __init__(self, stop_after=None, error=KeyboardInterrupt):
        self.calls = []
        self.stop_after = stop_after
        self.error = error

    def __call__(self, moving, fixed):
        if len(self.calls) == self.stop_after:
            raise self.error
        self.calls.append((moving.name, fixed.name))
        rng = np.random.default_rng([ord(moving.name), ord(fixed.name)])
        return rng.uniform(-1.5, 1.5, (*GRID, 3)).astype(np.float32)


def run(folder, method, **changes):
    arguments = {
        "method_name": "net",
        "pairs": PAIRS,
        "subjects": SUBJECTS,
        "displacement_fn": method,
        "protocol": PROTOCOL,
        "out_folder": folder,
        "provenance": provenance(),
        "network_images": brain,
        "progress": False,
    }
    return evaluate(**(arguments | changes))


def contents(folder):
    """The files, without the seconds, which differ from run to run."""
    registrations = pd.read_csv(folder / "registrations.csv").drop(columns="seconds")
    return (folder / "pairs.csv").read_text(), registrations.to_csv()


def test_files_and_numbers(tmp_path):
    result = run(tmp_path, Method(), pairs=PAIRS[::-1])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "pairs.csv",
        "registrations.csv",
        "result.json",
    ]
    lines = (tmp_path / "pairs.csv").read_text().splitlines()
    assert lines[0] == "moving,fixed,label,dice,hd95"
    assert len(lines) == 1 + 6 * 4
    scores = pd.read_csv(tmp_path / "pairs.csv").set_index(["moving", "fixed", "label"])
    scores, distances = scores["dice"], scores["hd95"]
    assert scores.index.tolist() == sorted(scores.index)
    table = pd.read_csv(tmp_path / "registrations.csv").set_index(["moving", "fixed"])
    assert list(table) == ["seconds", "folding", "folding_brain", "sdlogj"]
    for moving, fixed in PAIRS:
        field = Method()(SUBJECTS[moving], SUBJECTS[fixed])
        moved = moved_labels(SUBJECTS[fixed], SUBJECTS[moving], field)
        expected = dice_per_label(moved, SUBJECTS[fixed].labels().data, [1, 2, 3, 4])
        assert scores[moving, fixed].to_dict() == pytest.approx(expected, abs=1e-6)
        subject = SUBJECTS[fixed]
        expected = hd95_per_label(moved, subject.labels().data, [1, 2, 3, 4], subject.native_affine)
        assert distances[moving, fixed].to_dict() == pytest.approx(expected, abs=1e-4)
        determinant = jacobian_determinant(field)
        row = table.loc[(moving, fixed)]
        inside = brain(fixed) > 0
        assert row["folding"] == pytest.approx(folding_fraction(determinant), rel=1e-5)
        assert row["folding_brain"] == pytest.approx(
            folding_fraction(determinant, inside), rel=1e-5
        )
        assert row["folding"] != row["folding_brain"]
        assert row["sdlogj"] == pytest.approx(sdlogj(determinant), rel=1e-5)
        assert row["seconds"] > 0
    stored = json.loads((tmp_path / "result.json").read_text())
    assert stored["protocol"] == {"name": "tiny", "hash": PROTOCOL.hash}
    assert stored["method"] == result.method == "net"
    assert stored["provenance"] == result.provenance == provenance()
    assert result.protocol_hash == PROTOCOL.hash
    assert result.pairs["dice"].tolist() == scores.tolist()


def test_affine_only_and_no_alignment(tmp_path):
    for alignment, mover in (("affine", moved_labels), ("header", header_moved_labels)):
        result = run(tmp_path / alignment, None, alignment=alignment, network_images=None)
        scores = result.pairs.set_index(["moving", "fixed", "label"])["dice"]
        for moving, fixed in PAIRS:
            moved = mover(SUBJECTS[fixed], SUBJECTS[moving])
            expected = dice_per_label(moved, SUBJECTS[fixed].labels().data, [1, 2, 3, 4])
            assert scores[moving, fixed].to_dict() == pytest.approx(expected, abs=1e-6)
        assert result.registrations["seconds"].isna().all()
        assert (result.registrations[["folding", "folding_brain", "sdlogj"]] == 0).all(axis=None)
    assert contents(tmp_path / "affine")[0] != contents(tmp_path / "header")[0]


def test_a_label_that_neither_volume_has_is_empty_in_the_file(tmp_path):
    protocol = tiny_protocol(labels={1: "one", 9: "nowhere"}, groups={"Left": (1,)})
    result = run(tmp_path, None, protocol=protocol)
    assert result.pairs.query("label == 9")["dice"].isna().all()
    assert "p,q,9,,\n" in (tmp_path / "pairs.csv").read_text()


def test_hd95_can_be_left_out(tmp_path):
    with_it = run(tmp_path / "with", Method())
    without = run(tmp_path / "without", Method(), hd95=False)
    text = (tmp_path / "without" / "pairs.csv").read_text()
    assert text.startswith("moving,fixed,label,dice\n")
    assert without.pairs["dice"].tolist() == with_it.pairs["dice"].tolist()
    assert without.pairs["hd95"].isna().all()
    assert with_it.pairs["hd95"].notna().any()
    # It does not make it another result: what is stored stays until it is told otherwise.
    again = run(tmp_path / "without", Method(stop_after=0))
    assert again.pairs["hd95"].isna().all()
    again = run(tmp_path / "without", Method(), overwrite=True)
    pd.testing.assert_frame_equal(again.pairs, with_it.pairs)


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False)])
def test_pairs_that_lack_a_wanted_hd95_are_scored_again(tmp_path, first, second):
    whole = run(tmp_path / "whole", Method(), hd95=second)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", Method(3), hd95=first)
    method = Method()
    result = run(tmp_path / "cut", method, hd95=second)
    assert method.calls == (PAIRS if second else PAIRS[3:])
    pd.testing.assert_frame_equal(result.pairs, whole.pairs)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("stop_after", [0, 2, 5])
def test_a_stopped_evaluation_resumes_where_it_was(tmp_path, stop_after, error):
    run(tmp_path / "whole", Method())
    with pytest.raises(error):
        run(tmp_path / "cut", Method(stop_after, error))
    assert not (tmp_path / "cut" / "result.json").exists()
    assert not (tmp_path / "cut" / "pairs.csv").exists()
    second = Method()
    run(tmp_path / "cut", second)
    assert second.calls == PAIRS[stop_after:]
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    assert not (tmp_path / "cut" / PARTIAL).exists()


def test_every_finished_pair_is_on_the_disk_before_the_next_one_begins(tmp_path):
    seen = []

    def method(moving, fixed):
        seen.append((tmp_path / PARTIAL).read_text().count("\n") - 2)
        return np.zeros((*GRID, 3))

    run(tmp_path, method)
    assert seen == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("keep", [0.3, 0.75, 0.999])
def test_a_kill_in_the_middle_of_a_line_costs_that_pair_only(tmp_path, keep):
    run(tmp_path / "whole", Method())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", Method(4))
    partial = tmp_path / "cut" / PARTIAL
    text = partial.read_text()
    head = text[: text[:-1].rindex("\n") + 1]  # without the last line
    partial.write_text(head + text[len(head) :][: int(keep * (len(text) - len(head)))])
    second = Method()
    run(tmp_path / "cut", second)
    assert second.calls == PAIRS[3:]
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_a_result_names_all_machines_that_it_was_computed_on(tmp_path):
    """Those of an evaluation that was stopped and went on elsewhere; the same one counts once."""
    records = [provenance() | {"machine": {"cpu": cpu, "cores": 2}} for cpu in ("A", "A", "B")]
    for record, stop in zip(records, (2, 2, None), strict=True):
        with suppress(KeyboardInterrupt):
            run(tmp_path, Method(stop), provenance=record)
    stored = load_result(tmp_path).provenance
    assert stored["machine"]["cpu"] == "B"
    assert [start["machine"]["cpu"] for start in stored["starts"]] == ["A", "B"]
    run(tmp_path / "at once", Method(), provenance=records[0])
    assert "starts" not in load_result(tmp_path / "at once").provenance


OTHERS = {
    "weights_sha256": {"provenance": provenance(weights="x" * 64)},
    "config_sha256": {"provenance": provenance(config="x" * 64)},
    "data_sha256": {"provenance": provenance() | {"data": {"name": "other"}}},
    "protocol_hash": {"protocol": tiny_protocol(groups={"All": (1, 2, 3, 4)})},
    "pairs_sha256": {"pairs": PAIRS[:-1]},
    "method": {"method_name": "other"},
}


@pytest.mark.parametrize("key", OTHERS)
def test_pairs_of_another_identity_are_not_reused(tmp_path, key):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Method(3))
    other = Method()
    run(tmp_path, other, **OTHERS[key])
    assert other.calls == OTHERS[key].get("pairs", PAIRS)


@pytest.mark.parametrize("key", OTHERS)
def test_a_finished_result_of_another_identity_is_kept_unless_told_otherwise(tmp_path, key):
    run(tmp_path, Method())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(InputError, match=f"{key}: pass overwrite"):
        run(tmp_path, Method(), **OTHERS[key])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    result = run(tmp_path, Method(), overwrite=True, **OTHERS[key])
    assert load_result(tmp_path).identity == result.identity
    assert (tmp_path / "result.json").read_bytes() != before["result.json"]


def test_two_at_once_in_one_folder(tmp_path):
    with FileLock(tmp_path / LOCK), pytest.raises(InputError, match="no other evaluation"):
        run(tmp_path, Method())
    run(tmp_path, Method())
    assert not (tmp_path / LOCK).exists()


def test_what_another_process_finished_before_the_lock_is_kept(tmp_path, monkeypatch):
    """The second look finds what the first one, before the lock, did not."""
    run(tmp_path, Method())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    looks = iter([None])
    monkeypatch.setattr(
        "pmrnet.evaluation.load_result", lambda folder: next(looks, None) or load_result(folder)
    )
    with pytest.raises(InputError, match="pass overwrite"):
        run(tmp_path, Method(), **next(iter(OTHERS.values())))
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_alignment_is_part_of_the_identity(tmp_path):
    run(tmp_path, None)
    with pytest.raises(InputError, match="alignment"):
        run(tmp_path, None, alignment="header")


def test_the_same_result_is_returned_without_computing_and_recomputed_when_told(tmp_path):
    first = run(tmp_path, Method())
    # Neither the order of the pairs nor the version of the code makes it another result.
    again = run(
        tmp_path,
        Method(stop_after=0),
        pairs=PAIRS[::-1],
        provenance=provenance() | {"package": "pmrnet 9.9", "created": "2031"},
    )
    assert again.provenance == first.provenance
    pd.testing.assert_frame_equal(again.pairs, first.pairs)
    method = Method()
    run(tmp_path, method, overwrite=True)
    assert method.calls == PAIRS


def test_a_changed_or_half_replaced_result_is_noticed(tmp_path):
    run(tmp_path, Method())
    path = tmp_path / "pairs.csv"
    text = path.read_text()
    path.write_text(text.replace(",0.", ",0.9", 1))
    with pytest.raises(InputError, match=r"pairs\.csv is not the file"):
        load_result(tmp_path)
    path.write_bytes(text.replace("\n", "\r\n").encode())  # as git may check it out
    assert load_result(tmp_path).method == "net"
    path.unlink()
    with pytest.raises(InputError, match=r"pairs\.csv"):
        run(tmp_path, Method())
    assert run(tmp_path, Method(), overwrite=True).method == "net"


def test_labels_are_read_once_for_each_subject(tmp_path):
    reads = []

    def counting(s):
        def labels():
            reads.append(s.name)
            return s.labels()

        other = subject(s.name, s.labels().data, s.grid_to_native, s.native_affine)
        other.labels = labels
        return other

    run(tmp_path, Method(), subjects={n: counting(s) for n, s in SUBJECTS.items()})
    assert sorted(reads) == ["p", "q", "r"]


@pytest.mark.parametrize("names", [("001", "2"), ("NA", "null")])
def test_names_that_look_like_numbers_or_like_nothing_stay_names(tmp_path, names):
    subjects = dict(zip(names, SUBJECTS.values(), strict=False))
    protocol = tiny_protocol(test=names)
    result = run(tmp_path, None, subjects=subjects, protocol=protocol, pairs=protocol.pairs("test"))
    assert set(result.pairs["moving"]) == set(names)


@pytest.mark.parametrize(
    "field",
    [
        np.zeros((*GRID, 2)),
        np.zeros((7, 8, 9, 3)),
        np.full((*GRID, 3), np.nan),
        np.full((*GRID, 3), np.inf),
    ],
)
def test_a_displacement_that_does_not_fit_is_refused_by_pair(tmp_path, field):
    with pytest.raises(InputError, match="p -> q"):
        run(tmp_path, lambda moving, fixed: field)


def test_subjects_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="q, r"):
        run(tmp_path, None, subjects={"p": SUBJECTS["p"]})
    wrong = subject("p", np.zeros((7, 8, 9), np.uint8))
    wrong.native_shape = (9, 8, 7)
    with pytest.raises(InputError, match=r"labels of shape \(9, 8, 7\) for p"):
        run(tmp_path, None, subjects=SUBJECTS | {"p": wrong})
    with pytest.raises(InputError, match="none twice"):
        run(tmp_path, None, pairs=[("p", "q")] * 2)
    with pytest.raises(InputError, match="none twice"):
        run(tmp_path, None, pairs=[])


def test_contradictory_arguments_are_a_programming_error(tmp_path):
    with pytest.raises(ValueError, match="aligned grid"):
        run(tmp_path, Method(), alignment="header")
    with pytest.raises(ValueError, match="network_images"):
        run(tmp_path, Method(), network_images=None)


def test_progress_goes_to_the_error_stream(tmp_path, capsys):
    run(tmp_path, Method(), progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "6/6" in captured.err


def test_identity_is_stable():
    one = identity_of("net", PAIRS, PROTOCOL, provenance())
    assert one == identity_of("net", PAIRS[::-1], PROTOCOL, provenance())
    assert one == json.loads(json.dumps(one))
