"""The whole calibration with made-up errors: what is fitted, stored and said."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fake_subjects import tiny_protocol
from pmrnet import workflow
from pmrnet.calibration import page, pairs, study
from pmrnet.calibration.pairs import PairErrors
from pmrnet.calibration.points import Points
from pmrnet.cli import main
from pmrnet.errors import InputError
from pmrnet.nn.build import build_network
from pmrnet.weights import load_network, save_weights

CONFIG = {"type": "pmrnet", "filters": [4], "hidden_filters": [0], "hidden_kernels": [1]}


class FourTimes:
    """Stands for `PairErrors`: errors are four times what is predicted."""

    reference = "label boundaries"

    def __init__(self, dataset, subjects, predictor, points_per_pair, kept):
        self.asked = []

    def points(self, pairs, temperature, title):
        self.asked.append((title, len(pairs)))
        return [self._pair(pair, temperature) for pair in pairs]

    def _pair(self, pair, temperature):
        rng = np.random.default_rng(list(" ".join(pair).encode()))
        deviation = rng.uniform(0.1, 0.3, (2000, 1))
        error = 4 * deviation * rng.normal(size=deviation.shape)
        return Points(deviation * temperature**0.5, error)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with weights that were trained on the data set `tiny`."""
    network = build_network(CONFIG)
    network.build()
    training = {"data": {"dataset": "tiny"}, "seed": 1, "steps": 2}
    weights = save_weights(network, CONFIG, tmp_path / "net", spacing=2, training=training)
    data = SimpleNamespace(
        name="tiny",
        source="tiny",
        protocol=tiny_protocol(),
        experiments=tmp_path / "experiments" / "tiny",
        run=lambda method: tmp_path / "runs" / "tiny" / method,
        subjects=lambda names: dict.fromkeys(names),
    )
    monkeypatch.setattr(study.Dataset, "load", lambda _: data)
    monkeypatch.setattr(workflow, "data_identity", lambda *_: {"dataset": "tiny"})
    monkeypatch.setattr(study, "PairErrors", FourTimes)
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(folder=tmp_path, weights=weights, data=data)


def test_fits_stores_and_reports(project):
    path = study.calibrate("tiny", "pmrnet", str(project.weights))
    assert path == project.folder / "experiments" / "tiny" / "calibration" / "pmrnet.json"
    record = json.loads(path.read_text())
    assert record["temperature"] == pytest.approx(16, rel=0.1)
    assert record["provenance"]["weights_sha256"] == load_network(project.weights)[1]["sha256"]
    assert record["provenance"]["data"]["protocol"]["hash"] == project.data.protocol.hash
    assert str(project.folder) not in path.read_text()
    rows = {(r["split"], r["temperature"]): r for r in record["summaries"]}
    assert set(rows) == {(s, t) for s in ("validation", "test") for t in ("raw", "fitted")}
    assert rows["test", "raw"]["pairs"] == 6
    assert rows["test", "raw"]["error_to_deviation"] == pytest.approx(4, rel=0.05)
    assert rows["test", "fitted"]["error_to_deviation"] == pytest.approx(1, rel=0.05)
    assert rows["test", "fitted"]["coverage_error"] < 0.02 < rows["test", "raw"]["coverage_error"]
    curves = pd.read_csv(path.with_suffix(".csv"))
    assert set(curves["curve"]) == {"deviation", "coverage"}
    assert len(curves) == 4 * (10 + 10)
    # The weights have it from now on.
    _, description = load_network(project.weights)
    assert description["calibration"]["temperature"] == record["temperature"]


def test_is_the_same_again(project):
    first = study.calibrate("tiny", "pmrnet", str(project.weights))
    before = first.with_suffix(".csv").read_bytes()
    again = study.calibrate("tiny", "pmrnet", str(project.weights), name="again")
    assert again.with_suffix(".csv").read_bytes() == before


class StoppedOnce:
    """Stands for what measures one pair: it is interrupted at the fifth, and counts."""

    def __init__(self):
        self.calls = []

    def __call__(self, errors, moving, fixed, temperature):
        self.calls.append((moving, fixed, temperature))
        if len(self.calls) == 5:
            raise KeyboardInterrupt
        return FourTimes._pair(None, (moving, fixed), temperature)


def test_goes_on_where_it_was_stopped(project, monkeypatch):
    expected = study.calibrate("tiny", "pmrnet", str(project.weights), name="expected")
    monkeypatch.setattr(study, "PairErrors", PairErrors)
    monkeypatch.setattr(pairs, "reference_of", lambda _: "label boundaries")
    stopped = StoppedOnce()
    monkeypatch.setattr(PairErrors, "_measure", lambda *given: stopped(*given))
    monkeypatch.setattr(pairs, "SubjectCache", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        study.calibrate("tiny", "pmrnet", str(project.weights))
    assert len(list((project.folder / "runs/tiny/calibration/pmrnet").glob("*/*.npz"))) == 4
    # With another number of draws everything is measured anew.
    stopped.calls = []
    with pytest.raises(KeyboardInterrupt):
        study.calibrate("tiny", "pmrnet", str(project.weights), samples=8)
    assert len(list((project.folder / "runs/tiny/calibration/pmrnet").glob("*/*.npz"))) == 8
    # And so it is with other labels to measure errors at.
    stopped.calls, protocol = [], project.data.protocol
    project.data.protocol = dataclasses.replace(protocol, labels={1: "one"})
    assert project.data.protocol.hash != protocol.hash
    with pytest.raises(KeyboardInterrupt):
        study.calibrate("tiny", "pmrnet", str(project.weights), samples=8)
    assert len(list((project.folder / "runs/tiny/calibration/pmrnet").iterdir())) == 3
    project.data.protocol = protocol
    # One that is not stopped, to count.
    other = study.calibrate("tiny", "pmrnet", str(project.weights), name="other", samples=8)
    calls = len(stopped.calls) - 5
    stopped.calls = [None] * 5
    path = study.calibrate("tiny", "pmrnet", str(project.weights))
    assert len(stopped.calls) - 5 == calls - 4
    for found in (path, other):
        assert found.with_suffix(".csv").read_bytes() == expected.with_suffix(".csv").read_bytes()
    assert not (project.folder / "runs/tiny/calibration/pmrnet").exists()


def test_some_of_the_pairs(project):
    path = study.calibrate("tiny", "pmrnet", str(project.weights), limit=3)
    record = json.loads(path.read_text())
    assert {r["split"]: r["pairs"] for r in record["summaries"]} == {"validation": 2, "test": 3}
    assert record["provenance"]["config"]["limit"] == 3
    every = [(a, b) for a in "pqrst" for b in "pqrst" if a != b]
    some = study.spread(every, 5)
    assert len(set(some)) == 5
    assert {moving for moving, _ in some} == set("pqrst")
    assert study.spread(every, 20) == study.spread(every, None) == every
    with pytest.raises(InputError, match="--pairs: expected 1 or more, found 0"):
        study.calibrate("tiny", "pmrnet", str(project.weights), limit=0)


def test_weights_of_another_data_set_keep_theirs(project):
    study.calibrate("tiny", "pmrnet", str(project.weights))
    project.data.source = "other"
    own = load_network(project.weights)[1]["calibration"]
    path = study.calibrate("other", "pmrnet", str(project.weights), name="guest")
    assert load_network(project.weights)[1]["calibration"] == own
    found = {r["temperature"]: r["value"] for r in json.loads(path.read_text())["summaries"]}
    assert found["stored"] == own["temperature"]
    said = page.numbers(page.load_calibrations())
    assert f"temperature {own['temperature']:g} that the weights brought along: close to" in said


def test_only_validation_pairs_are_fitted(project, monkeypatch):
    seen = []

    class Watched(FourTimes):
        def points(self, pairs, temperature, title):
            seen.extend(pairs)
            return super().points(pairs, temperature, title)

    def fit(measure):
        measure(1.0)
        assert set(seen) == set(project.data.protocol.pairs("validation"))
        return [2.0]

    monkeypatch.setattr(study, "PairErrors", Watched)
    monkeypatch.setattr(study, "fit_temperature", fit)
    study.calibrate("tiny", "pmrnet", str(project.weights))
    assert set(project.data.protocol.pairs("test")) < set(seen)


def test_is_of_the_passes_that_registrations_take(project, monkeypatch):
    network, description = load_network(project.weights)
    asked, predictor = [], study.Predictor

    def watched(network, *rest):
        asked.append(network.passes)
        return predictor(network, *rest)

    monkeypatch.setattr(study, "Predictor", watched)
    for advised, expected in ((None, 1), (3, 3)):
        path = project.weights.with_suffix("")
        save_weights(network, CONFIG, path, 2, description["training"], passes=advised)
        record = json.loads(study.calibrate("tiny", "pmrnet", str(project.weights)).read_text())
        assert asked.pop() == record["provenance"]["config"]["passes"] == expected
        assert load_network(project.weights)[1]["calibration"]["passes"] == expected


def test_a_refined_row_has_the_posterior_of_its_network(project):
    with pytest.raises(InputError, match="found another use of pmrnet; calibrate that"):
        study.calibrate("tiny", "pmrnet-refined")


def test_network_without_a_posterior(project, monkeypatch):
    network = SimpleNamespace(has_velocity=False)
    description = {"network": {"type": "faim"}}
    monkeypatch.setattr(study, "load_network", lambda _: (network, description))
    with pytest.raises(InputError, match="found 'faim', which has none"):
        study.calibrate("tiny", "faim", "some")


def test_weights_of_other_subjects_keep_their_temperature(project, monkeypatch, capsys):
    """Of the same data set, but split otherwise: test subjects may be those trained on."""
    monkeypatch.setattr(
        workflow, "data_identity", lambda *_: {"dataset": "tiny", "inputs_sha256": "others"}
    )
    assert main(["calibrate", "--dataset", "tiny", "--weights", str(project.weights)]) == 0
    assert "not stored with the weights" in capsys.readouterr().out
    record = project.folder / "experiments" / "tiny" / "calibration" / "pmrnet.json"
    assert json.loads(record.read_text())["stored_with_weights"] is False
    assert load_network(project.weights)[1]["calibration"] is None


def test_command_brings_the_page_up_to_date(project, capsys):
    text = f"# Uncertainty\n\n{page.BEGIN}\nstale words\n{page.END}\n\nAfter.\n"
    page.PAGE.parent.mkdir()
    page.PAGE.write_text(text)
    arguments = ["calibrate", "--dataset", "tiny", "--weights", str(project.weights)]
    assert main(arguments) == 0
    assert "calibration: " in capsys.readouterr().out
    written = page.PAGE.read_text()
    assert written.startswith("# Uncertainty\n")
    assert written.endswith("\nAfter.\n")
    assert "stale words" not in written
    assert "**As the network gives it: not calibrated, overconfident.**" in written
    assert "errors are 4.0 times" in written
    assert ": close to calibrated.**" in written
    # The same again from what is stored, byte by byte.
    picture = page.FIGURE.read_bytes()
    assert main([*arguments, "--page-only"]) == 0
    assert page.PAGE.read_text() == written
    assert page.FIGURE.read_bytes() == picture


def test_page_without_marks(project):
    study.calibrate("tiny", "pmrnet", str(project.weights))
    page.PAGE.parent.mkdir()
    page.PAGE.write_text("# Uncertainty\n")
    with pytest.raises(InputError, match="expected the lines"):
        page.update_page()


def test_page_of_nothing(project):
    page.PAGE.parent.mkdir()
    page.PAGE.write_text(f"{page.BEGIN}\n{page.END}\n")
    with pytest.raises(InputError, match="run `pmrnet calibrate`"):
        page.update_page()
