"""The wheel, away from the checkout: everything that it needs is inside."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "apps" / "xal_radiology" / "main.py"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the wheel holds, built from a copy of what the build reads."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "lib", source / "lib", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__", "vendor"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(source)], check=True)
    (wheel,) = folder.glob("xal-*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "site")
    return folder / "site"


def tried(site: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=site.parent, capture_output=True, text=True, check=False
    )


def run(site: Path, *command: str) -> str:
    done = tried(site, *command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_types_tasks_page_and_templates_are_inside(installed: Path):
    names = {file.relative_to(installed).as_posix() for file in installed.rglob("*") if file.is_file()}
    assert {"xal/py.typed", "xal/tasks/phantom_2d.yaml", "xal/server/page/index.html"} <= names
    for folder in ("xal/tasks", "xal/experiments/report/templates"):
        there = {file.relative_to(ROOT / "lib").as_posix() for file in (ROOT / "lib" / folder).iterdir()}
        assert {name for name in names if name.startswith(f"{folder}/")} == there
    assert not [name for name in names if name.startswith("tests/")]


def test_it_reads_its_own_tasks_and_knows_its_version(installed: Path):
    code = "import xal; print(xal.__file__); print(xal.load_task('phantom_2d').title)"
    where, title = run(installed, "-c", code).splitlines()
    assert Path(where).is_relative_to(installed)
    assert title == "Lesions in slices of a phantom"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run(installed, "-m", "xal.cli", "--version").strip() == f"xal {version}"


def test_it_writes_the_app_that_monai_label_starts(installed: Path, tmp_path: Path):
    run(installed, "-m", "xal.cli", "app", str(tmp_path / "app"))
    assert (tmp_path / "app" / "main.py").read_text() == APP.read_text()
    taken = [str(tmp_path / "app"), str(tmp_path / "app" / "main.py")]
    again = "import sys; from xal.cli import main; print([main(['app', path]) for path in sys.argv[1:]])"
    refused = tried(installed, "-c", again, *taken)
    assert refused.stdout.strip() == "[1, 1]"
    assert refused.stderr.splitlines() == [f"xal: {path} is no empty folder" for path in taken]


def test_the_command_and_the_library_need_no_extra(installed: Path):
    extras = ("monailabel", "fastapi", "highdicom", "psycopg", "matplotlib", "pandas", "h5py", "gdcm")
    without = f"import gc; gc.disable(); import sys; sys.modules.update(dict.fromkeys({extras!r}))"
    code = f"{without}; import xal, xal.pool.project; [getattr(xal, name) for name in xal.__all__]; import xal.cli"
    run(installed, "-c", f"{code}; xal.cli.main(['annotations', '--help'])")


def test_requirements_and_metadata_name_the_same_packages():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    listed = [line for line in lines if line and not line.startswith(("-", "./"))]
    names = [{canonicalize_name(Requirement(one).name) for one in ones} for ones in (stated, listed)]
    assert names[0] - {"xal"} == names[1]
