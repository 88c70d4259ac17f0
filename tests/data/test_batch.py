import io
import math

import pytest
from rich.console import Console

from pmrnet.data.batch import run_batch


@pytest.mark.parametrize("processes", [1, 2])
def test_results_in_the_order_given_and_warnings_on_the_console(processes):
    text = io.StringIO()
    result = run_batch(
        "Roots",
        math.sqrt,
        {"b": (4.0,), "a": (9.0,), "c": (16.0,)},
        processes=processes,
        console=Console(file=text),
        notice=lambda root: f"it is {root:g}" if root == 3 else None,
    )
    assert list(result.items()) == [("b", 2.0), ("a", 3.0), ("c", 4.0)]
    assert "Warning: it is 3" in text.getvalue()
    assert text.getvalue().count("Warning") == 1
    assert "3/3" in text.getvalue()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_failure_of_one_subject_is_raised(processes):
    jobs = {"a": (1.0,), "b": (-1.0,)}
    with pytest.raises(ValueError, match="math domain"):
        run_batch("Roots", math.sqrt, jobs, processes, Console(file=io.StringIO()))
