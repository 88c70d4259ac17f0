"""Whether Python and the packages are of versions that the project works with."""

from __future__ import annotations

import platform
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pmrnet.doctor.finding import Finding
from pmrnet.keras_settings import BACKENDS, backend_name, keras_faults

_PACKAGE = "pmrnet"
_ROOT = Path(__file__).resolve().parents[3]


def package_findings() -> list[Finding]:
    """Compare the versions of Python and of the packages with those that are required."""
    try:
        about = metadata.metadata(_PACKAGE)
    except metadata.PackageNotFoundError:
        return [
            Finding(
                "warning",
                f"Packages: {_PACKAGE} runs from a folder and is not installed, so that required "
                "versions are not known.",
                "Install it: `pip install --editable .`",
            )
        ]
    findings = [_python(about["Requires-Python"] or "")]
    tested, fine = _tested(), []
    for requirement in _requirements():
        version = _version(requirement.name)
        if version is None:
            findings.append(
                Finding(
                    "error",
                    f"Package {requirement.name} is not installed.",
                    f"Install it: `pip install '{requirement}'`",
                )
            )
        elif not requirement.specifier.contains(version, prereleases=True):
            findings.append(
                Finding(
                    "error",
                    f"Package {requirement.name} is {version}, needed is {requirement.specifier}.",
                    f"Replace it: `pip install '{requirement}'`",
                )
            )
        else:
            other = tested.get(requirement.name.lower(), version)
            fine.append(
                f"{requirement.name} {version}"
                + (f" (tested with {other})" if other != version else "")
            )
    if fine:
        findings.append(Finding("ok", f"Packages: {', '.join(fine)}."))
    return findings


def backend_findings() -> list[Finding]:
    """Which backend Keras will run on, whether it is there, and what of its settings is amiss."""
    findings = [Finding("error", what, remedy) for what, remedy in keras_faults()]
    name = backend_name()
    if name in BACKENDS and find_spec(name) is not None:
        version = _version(name) or ""
        findings.insert(0, Finding("ok", f"Keras backend: {name} {version}".strip()))
    return findings


def _python(required: str) -> Finding:
    version = platform.python_version()
    if SpecifierSet(required).contains(version, prereleases=True):
        return Finding("ok", f"Python {version}.")
    return Finding(
        "error",
        f"Python {version}, needed is {required}.",
        "Make the environment with another one: `make PYTHON=python3.11 ...`",
    )


def _requirements() -> list[Requirement]:
    """What the package always requires, and JAX' version where it is installed."""
    every = [Requirement(text) for text in metadata.requires(_PACKAGE) or ()]
    wanted = [r for r in every if r.marker is None or r.marker.evaluate({"extra": ""})]
    jax = [r for r in every if r.name == "jax" and _version("jax") is not None]
    return wanted + jax[:1]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _tested() -> dict[str, str]:
    """Versions in the project's requirements.txt, which only a checkout has."""
    path = _ROOT / "requirements.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = (line.partition("==") for line in lines)
    return {name.strip().lower(): version.strip() for name, equal, version in pairs if equal}
