from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmrnet.cli import main
from pmrnet.dataset import Dataset
from pmrnet.errors import InputError
from pmrnet.figures import style
from pmrnet.figures.files import FIGURES, save_figure, write_figures


def small_figure():
    figure = style.new_figure(height=1, width=1)
    figure.subplots().plot([0, 1])
    return figure


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    first, again = (save_figure(small_figure(), tmp_path / name) for name in ("a.b", "c"))
    assert [path.name for path in first] == ["a.b.pdf", "a.b.png"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert first[0].read_bytes().startswith(b"%PDF")
    assert first[1].read_bytes().startswith(b"\x89PNG")


def test_nothing_is_left_of_a_figure_that_fails(tmp_path, monkeypatch):
    figure = small_figure()
    monkeypatch.setattr(figure, "savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save_figure(figure, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_what_can_be_made_is_made_and_the_rest_is_said(tmp_path, monkeypatch, capsys):
    def missing(dataset):
        raise InputError(f"{dataset}: expected brains, found none; get some.")

    drawn = {"1-network": lambda _: small_figure(), "5-dice": missing}
    monkeypatch.setattr("pmrnet.figures.files.FIGURES", drawn)
    assert main(["figures", "--dataset", "demo", "--out", str(tmp_path / "out")]) == 0
    names = {"demo-1-network.pdf", "demo-1-network.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    output = capsys.readouterr()
    assert all(name in output.out for name in names)
    assert output.err == "missing: 5-dice: demo: expected brains, found none; get some.\n"
    monkeypatch.setattr("pmrnet.figures.files.FIGURES", {"5-dice": missing})
    assert main(["figures", "--dataset", "demo", "--out", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "none").exists()


def test_without_data_only_the_network_is_drawn(tmp_path, monkeypatch):
    experiment = Dataset.load("demo").experiment("pmrnet").read_text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments/demo").mkdir(parents=True)
    (tmp_path / "experiments/demo/pmrnet.yaml").write_text(experiment)
    written, missing = write_figures("demo", "out")
    assert [path.name for path in written] == ["demo-1-network.pdf", "demo-1-network.png"]
    assert set(missing) == set(FIGURES) - {"1-network"}
    assert "make data DATASET=demo" in missing["4-comparison"]
    assert "make evaluate DATASET=demo" in missing["5-dice"]
    with pytest.raises(InputError, match="no-such"):
        write_figures("no-such", "out")


def test_only_some(tmp_path, monkeypatch):
    drawn = {"1-network": lambda _: small_figure(), "5-dice": lambda _: small_figure()}
    monkeypatch.setattr("pmrnet.figures.files.FIGURES", drawn)
    arguments = ["figures", "--dataset", "demo", "--out", str(tmp_path / "out"), "--only"]
    assert main([*arguments, "5-dice"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "demo-5-dice.pdf",
        "demo-5-dice.png",
    ]


def test_only_some_methods(tmp_path, monkeypatch, capsys):
    asked = []

    def of_methods(dataset, **options):
        asked.append((dataset, options))
        return small_figure()

    drawn = {"1-network": lambda _: small_figure()}
    drawn |= {"4-comparison": of_methods, "5-dice": of_methods}
    monkeypatch.setattr("pmrnet.figures.files.FIGURES", drawn)
    arguments = ["figures", "--dataset", "demo", "--out", str(tmp_path / "out"), "--methods"]
    assert main([*arguments, "pmrnet", "none"]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 6
    assert asked == 2 * [("demo", {"methods": ["none", "pmrnet"]})]
    assert main([*arguments, "pmr"]) == 2
    assert "expected some of the methods none, affine, pmrnet, found pmr" in capsys.readouterr().err


def test_a_figure_that_does_not_exist(capsys):
    assert main(["figures", "--dataset", "demo", "--only", "6-none"]) == 2
    assert "expected some of 1-network, 2-posteriors" in capsys.readouterr().err


ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["1-network", "5-dice"])
def test_the_readmes_figures_are_those_of_the_stored_results(name, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    write_figures("lpba40", tmp_path, [name])
    ours, stored = (
        np.asarray(Image.open(folder / f"lpba40-{name}.png").convert("L"), dtype=float)
        for folder in (tmp_path, ROOT / "docs" / "figures")
    )
    assert ours.shape == stored.shape, "run `make docs-figures`"
    # Fonts are drawn a little differently from one build of a library to another.
    assert (np.abs(ours - stored) > 64).mean() < 1e-3, "run `make docs-figures`"
