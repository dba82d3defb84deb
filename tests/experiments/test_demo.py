import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest
from harness.warm import WarmProcess

from xal.datasets.truth import read_truth
from xal.errors import XalError
from xal.experiments.demo import process
from xal.experiments.demo.demo import demo
from xal.experiments.demo.outcome import CAVEAT, Plan
from xal.experiments.demo.truth import choose_test_set

ROOT = Path(__file__).resolve().parents[2]
TRUTH = ROOT / "sample_data" / "truth" / "phantom_2d"
PNG = b"\x89PNG\r\n\x1a\n"


def start_warm(command: Sequence[str], stdout: IO[bytes], env: Mapping[str, str], **_: object) -> WarmProcess:
    """A server as the demo starts it, but with its imports done."""
    return WarmProcess(command[2:], env, Path(stdout.name))


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's servers begin with their imports done."""
    monkeypatch.setattr(process, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": start_warm}))


def copy_some(root: Path, unread: int = 40) -> None:
    """The sample images that are labelled, and so many others, with what is known of them."""
    data, known = (Path("sample_data", *where, "phantom_2d") for where in ((), ("truth",)))
    head, *rows = (TRUTH / "truth.csv").read_text().splitlines()
    labelled = {file.name.partition(".")[0] for file in (ROOT / data / "labels" / "final").iterdir()}
    others = [row for row in rows if row.partition(",")[0] not in labelled][unread:]
    absent = {row.partition(",")[0] for row in others}

    def left_out(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name.partition(".")[0] in absent]

    for folder in (data, known):
        shutil.copytree(ROOT / folder, root / folder, ignore=left_out)
    (root / known / "truth.csv").write_text("\n".join([head, *(row for row in rows if row not in others), ""]))


@pytest.mark.usefixtures("warm")
def test_a_short_round_ends_in_a_table_and_a_picture(tmp_path: Path):
    copy_some(tmp_path)
    (tmp_path / "apps").symlink_to(ROOT / "apps")
    said: list[str] = []
    plan = Plan(rounds=1, labels=4, test_per_finding=3, training={"max_epochs": 1})
    picture = demo(tmp_path, tmp_path / "var", plan, said.append)
    text = "\n".join(said)
    assert picture.read_bytes().startswith(PNG)
    assert picture.stat().st_size > 20_000
    assert str(picture) in text
    assert CAVEAT in text
    rows = [line.split() for line in text.splitlines() if line.startswith(("start", "1 "))]
    assert [(row[0], row[1]) for row in rows] == [("start", "40"), ("1", "44")]
    arms = json.loads((tmp_path / "var" / "demo.json").read_text())["arms"]
    assert set(arms) == {"xal", "uniform"}
    for points in arms.values():
        assert all(0 <= point["accuracy"] <= 1 and 0 <= point["energy"] <= 1 for point in points)
    assert arms["xal"][0]["accuracy"] == pytest.approx(arms["uniform"][0]["accuracy"]), "both begin with the same model"


def test_nothing_of_the_test_set_is_ever_offered(tmp_path: Path):
    truth = read_truth(TRUTH)
    started = {image for image in truth if (ROOT / f"sample_data/phantom_2d/labels/final/{image}.nii.gz").exists()}
    test = set(choose_test_set(truth, started, 15, 0))
    others = set(truth) - test
    assert len(test) == 60
    assert not test & started
    assert not {truth[image].group for image in test} & {truth[image].group for image in others}
    findings = [truth[image].finding for image in test]
    assert {findings.count(name) for name in findings} == {15}


def test_a_test_set_that_cannot_be_filled_is_refused():
    with pytest.raises(XalError, match="not enough images"):
        choose_test_set(read_truth(TRUTH), [], 1000, 0)


@pytest.mark.usefixtures("warm")
def test_a_server_that_dies_ends_the_demo_with_its_last_words(tmp_path: Path):
    (tmp_path / "apps" / "xal_radiology").mkdir(parents=True)
    (tmp_path / "apps" / "xal_radiology" / "main.py").write_text("raise RuntimeError('broken on purpose')\n")
    copy_some(tmp_path)
    plan = Plan(rounds=1, labels=1, test_per_finding=1)
    with pytest.raises(XalError, match="broken on purpose"):
        demo(tmp_path, tmp_path / "var", plan, lambda _: None)
