"""The notebooks: stored clean, and run top to bottom on the built-in data."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
# Absolute paths of Unix and Windows, and home folders.
ABSOLUTE = re.compile(r"""["'(\s](/[A-Za-z][\w.-]*/|~/|[A-Za-z]:[\\/])""")
PARAMETER = 'DATASET = "demo"'
METHODS = "METHODS = None"
#: on real brains all methods are minutes: without field, one network, one with a second stage
SOME = ["none", "pmrnet", "pmrnet-refined"]


def test_there_is_one_for_each_figure():
    from pmrnet.figures.files import FIGURES

    assert sorted(["0_from_nothing", *(name.replace("-", "_") for name in FIGURES)]) == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_stored_clean(path):
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    for cell in code:
        assert cell.outputs == []
        assert cell.execution_count is None
    for cell in notebook.cells:
        assert not ABSOLUTE.search(" " + cell.source), cell.source
    parameters = [c for c in code if "parameters" in c.metadata.get("tags", [])]
    assert [c.source.startswith(PARAMETER) for c in parameters] == [True]


@pytest.mark.parametrize(
    "text", ['Path("/home/me/x")', "see ~/data", 'open("C:\\\\x")', " /work/a/b"]
)
def test_what_counts_as_absolute(text):
    assert ABSOLUTE.search(" " + text)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project without data, results or trainings: protocols and experiments alone."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("data_splits", "notebooks"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("demo", "lpba40"):
        (folder / "experiments" / name).mkdir(parents=True)
        for path in (ROOT / "experiments" / name).glob("*.yaml"):
            (folder / "experiments" / name / path.name).write_text(path.read_text())
    return folder


@pytest.fixture(scope="module")
def kernel():
    """One process for all notebooks: starting it and importing TensorFlow take most of the time."""
    manager = pytest.importorskip("jupyter_client").KernelManager(kernel_name="python3")
    yield manager
    if manager.has_kernel:
        manager.shutdown_kernel(now=True)


def run(path, folder, kernel, dataset="demo", methods=None):
    """Execute a notebook from `folder` with its parameters; returns it with its outputs."""
    client = pytest.importorskip("nbclient")
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(PARAMETER, f'DATASET = "{dataset}"')
        cell.source = cell.source.replace(METHODS, f"METHODS = {methods}")
    # No name of the notebook before is left to it.
    fresh = f"%reset_selective -f .\nimport os\nos.chdir({str(folder)!r})\ndel os"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(fresh))
    client.NotebookClient(notebook, km=kernel, timeout=300).execute()
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_runs_on_built_in_data(path, project, kernel):
    found = outputs(run(path, project / "experiments", kernel))
    pictures = [x for x in found if "image/png" in x.get("data", {})]
    assert len(pictures) == {"1_network": 4}.get(path.stem, 1)
    text = "".join(x.get("text", "") for x in found)
    assert "Traceback" not in text
    if path.stem == "0_from_nothing":
        before, after = (
            float(re.search(rf"{when}: ([\d.]+) mm", text)[1]) for when in ("before", "after")
        )
        # A few steps are no registration, but they must not throw the brain about either.
        assert after < 1.2 * before


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_runs_on_lpba40(path, data_path, kernel):
    if not (ROOT / "data/prepared/lpba40/S31/subject.json").is_file():
        pytest.skip("LPBA40 is not prepared; run `make data DATASET=lpba40`")
    found = outputs(run(path, ROOT, kernel, "lpba40", SOME))
    assert any("image/png" in x.get("data", {}) for x in found)
