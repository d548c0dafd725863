"""What is published: built here, without a network, and looked into."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from synthstore import __version__
from synthstore.cli.generate import generated

ROOT = Path(__file__).parents[1]
SHARE = f"synthstore-{__version__}.data/data/share"
INSTALLED = {
    "completions/synthstore.bash": "bash-completion/completions/synthstore",
    "completions/_synthstore": "zsh/site-functions/_synthstore",
    "completions/synthstore.fish": "fish/vendor_completions.d/synthstore.fish",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    folder = str(tmp_path_factory.mktemp("wheel"))
    (path,) = builder.WheelBuilder(str(ROOT)).build(directory=folder, versions=["standard"])
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The paths in the source distribution, below its one folder."""
    builder = pytest.importorskip("hatchling.builders.sdist", reason="hatchling is not installed")
    folder = str(tmp_path_factory.mktemp("sdist"))
    (path,) = builder.SdistBuilder(str(ROOT)).build(directory=folder, versions=["standard"])
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_wheel_installs_man_pages_and_completions(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for name in generated():
        assert f"{SHARE}/{INSTALLED.get(name, name)}" in names


def test_the_wheel_holds_the_package_and_what_it_reads(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if name.startswith("synthstore/")}
    package = ROOT / "synthstore"
    assert names == {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_metadata(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    told = HeaderParser().parsestr(wheel.read(name).decode())
    assert told["Version"] == __version__
    assert told["License-Expression"] == "MIT"
    oldest = re.fullmatch(r">=3\.(\d+)", told["Requires-Python"])
    minors = [
        int(found[1])
        for text in told.get_all("Classifier") or []
        if (found := re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", text))
    ]
    assert oldest is not None
    assert min(minors) == int(oldest[1])
    (points,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    assert "synthstore = synthstore.__main__:main" in wheel.read(points).decode()


def test_the_version_stands_in_one_place() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    assert not [line for line in lines if line.startswith("version =")]
    assert 'dynamic = ["version"]' in lines


def test_the_sources_hold_all_that_makes_and_tests_them(sources: set[str]) -> None:
    wanted = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", ".ci/run", *generated()}
    tests = {p.relative_to(ROOT).as_posix() for p in (ROOT / "tests").rglob("*.py")}
    assert wanted | tests <= sources
