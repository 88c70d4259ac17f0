"""Commands in messages can be pasted into a shell."""

import shlex

from pmrnet.make_command import make_command


def test_words_survive_the_shell():
    command = make_command("train evaluate", "my data/a'b.yaml", "tried/x y")
    assert shlex.split(command) == [
        "make",
        "train",
        "evaluate",
        "DATASET=my data/a'b.yaml",
        "METHOD=tried/x y",
    ]


def test_method_is_left_out_where_none_is_named():
    assert make_command("data", "lpba40") == "make data DATASET=lpba40"
