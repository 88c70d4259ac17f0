"""What the commands of the tables refuse before any work, on six tiny subjects."""

import json
from pathlib import Path

import pytest
import yaml

from pmrnet import workflow
from pmrnet.errors import InputError
from pmrnet.results import RESULT
from test_workflow import project  # noqa: F401 (a fixture)


@pytest.fixture
def split(project):  # noqa: F811
    """Change the protocol's file."""
    path = project / "data_splits" / "tiny.yaml"

    def change(**values):
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))

    return change


def test_another_spacing_than_the_volumes_have_is_refused(split):
    scoring = yaml.safe_load(Path("data_splits/tiny.yaml").read_text())["scoring"]
    split(scoring=scoring | {"spacing_mm": 1.0})
    with pytest.raises(InputError, match=r"spacing_mm: expected 2, .*found 1; correct it"):
        workflow.evaluate("tiny", "affine")


def test_a_result_of_another_protocol_is_not_said_to_be_reproduced(split):
    workflow.evaluate("tiny", "affine", hd95=False)
    again = workflow.reproduce("tiny", "affine", hd95=False)
    assert again.difference == 0
    assert again.again == again.stored > 0
    assert again.of_others == ()
    assert (again.folder / RESULT).is_file()
    split(test=["s5", "s3"], train=["s0", "s1"], validation=["s2", "s4"])
    with pytest.raises(InputError, match=r"expected a result of the protocol .* other pairs"):
        workflow.reproduce("tiny", "affine", hd95=False)


def test_tables_notice_that_the_data_were_prepared_anew(project, capsys):  # noqa: F811
    folder = workflow.evaluate("tiny", "affine", hd95=False)
    workflow._complete(workflow.Dataset.load("tiny"), "tiny", "affine")
    assert "scored already" in capsys.readouterr().err
    path = folder / RESULT
    result = json.loads(path.read_text())
    result["identity"]["data_sha256"] = "0" * 64
    path.write_text(json.dumps(result))
    with pytest.raises(InputError, match="to be of the data as they are prepared now"):
        workflow._complete(workflow.Dataset.load("tiny"), "tiny", "affine")
