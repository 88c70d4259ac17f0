"""What is installed: the wheel has all that the package reads; one version is told everywhere."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

import pmrnet

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_the_wheel_has_all_that_the_package_is_made_of(tmp_path):
    """Package data that `setup.cfg` does not name would be missed by an installed user alone."""
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", tmp_path / "wheel"]
    # Of a copy, since building leaves its own files in the tree.
    listed = ["git", "ls-files", "src", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"]
    found = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("needs the project's git repository")
    for name in found.stdout.splitlines():
        copy = tmp_path / "copy" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", *options, tmp_path / "copy"]
    subprocess.run([str(word) for word in command], check=True)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    assert wheel.name.startswith(f"pmrnet-{pmrnet.__version__}-")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("pmrnet/")}
    tracked = (name.removeprefix("src/") for name in found.stdout.splitlines())
    assert names == {name for name in tracked if name.startswith("pmrnet/")}


def test_one_version_is_told_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == pmrnet.__version__
