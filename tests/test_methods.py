from pathlib import Path

import pandas as pd

from pmrnet.methods import (
    METHODS,
    REFERENCES,
    Method,
    in_order,
    method_of,
    split_name,
    trained_elsewhere,
)

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"


def test_known_methods_come_in_the_order_of_the_table_and_others_by_name():
    found = in_order(["zeta", "pmrnet", "none", "alpha", "faim", "pmrnet", "baseline1"])
    assert found == ["none", "faim", "baseline1", "pmrnet", "alpha", "zeta"]
    assert in_order(METHODS) == list(METHODS)


def test_a_method_trained_elsewhere_follows_the_one_trained_here():
    mixed = ["a@lpba40", "pmrnet@lpba40", "b", "faim@lpba40", "pmrnet-plus", "pmrnet", "a"]
    here = ["faim@lpba40", "pmrnet", "pmrnet@lpba40", "pmrnet-plus", "a", "a@lpba40", "b"]
    assert in_order(mixed) == here


def test_name_of_a_method_trained_elsewhere():
    assert split_name(trained_elsewhere("pmrnet", "lpba40")) == ("pmrnet", "lpba40")
    for name in ("pmrnet", "pmrnet@", "@lpba40"):
        assert split_name(name) == (name, None)
    shown = method_of("pmrnet@lpba40")
    assert shown.title == "PMR-Net, trained on LPBA40"
    assert (shown.trained, shown.trained_on, shown.paper) == (False, "lpba40", None)
    refined = method_of("pmrnet-refined@lpba40")
    assert (refined.title, refined.uses) == ("PMR-Net, refined, trained on LPBA40", "pmrnet")
    assert refined.refined
    assert (refined.trained, refined.trained_on, refined.home) == (False, "lpba40", None)
    assert method_of("general-three-passes@lpba40").passes == 3
    assert method_of("mine@ours").title == "mine, trained on ours"


def test_a_method_that_is_not_known_is_called_by_its_name():
    assert method_of("mine") == Method("mine")
    assert method_of(REFERENCES[0]).title == "PMR-Net"
    for reference in REFERENCES:
        assert split_name(reference)[0] in METHODS


def test_every_row_of_the_paper_is_that_of_one_method():
    named = [method.paper for method in METHODS.values() if method.paper]
    for table in (
        EXPERIMENTS / "lpba40/paper_table1.csv",
        EXPERIMENTS / "mindboggle/paper_table2.csv",
    ):
        assert pd.read_csv(table)["method"].tolist() == named


def test_a_refined_row_follows_its_network_and_is_not_trained():
    names = list(METHODS)
    refined = {name: method for name, method in METHODS.items() if method.refined}
    assert len(refined) == 8
    for name, method in refined.items():
        plain = name.removesuffix("-refined")
        assert names.index(name) == names.index(plain) + 1
        assert METHODS[method.uses].trained
        assert not method.trained
        assert method.title == f"{METHODS[plain].title}, refined"
        assert method.passes == METHODS[plain].passes
        assert method.symmetric == METHODS[plain].symmetric == ("symmetric" in name)


def test_a_row_of_more_passes_has_the_weights_of_another_and_is_not_trained():
    rows = {name: method for name, method in METHODS.items() if method.passes}
    named = {3: "three-passes", "1+3": "coarse-to-fine", "2+4": "six-passes"}
    assert set(rows) == {
        "pmrnet-grown-coarse-to-fine-three-passes",
        "pmrnet-grown-coarse-to-fine-six-passes",
        "general-three-passes",
        "general-three-passes-refined",
        "general-three-passes-symmetric",
        "general-three-passes-symmetric-refined",
        "general-1mm-three-passes",
        "general-1mm-coarse-to-fine",
    }
    for name, method in rows.items():
        assert not method.trained
        assert METHODS[method.uses].trained
        assert name.startswith(f"{method.uses}-{named[method.passes]}")
