from pathlib import Path

import numpy as np
import pytest

from xal.datasets.truth import TruthRow, read_truth, write_mask, write_truth
from xal.errors import XalError


@pytest.mark.parametrize(("shape", "suffix"), [((7, 5, 1), ".png"), ((7, 5, 3), ".nii.gz"), ((7, 1, 5), ".nii.gz")])
def test_what_is_written_is_read_again(tmp_path: Path, shape: tuple[int, int, int], suffix: str):
    roi = np.random.default_rng(0).random(shape) > 0.6
    path = write_mask(tmp_path, "a", roi, np.diag([2.0, 3, 4, 1]))
    write_truth(tmp_path, [TruthRow("b", "none", "p2"), TruthRow("a", "lump", "p1", {"source": "x/a.png"})])
    truth = read_truth(tmp_path)
    assert path.name == f"a{suffix}"
    assert list(truth) == ["a", "b"]
    assert (truth["a"].finding, truth["a"].group) == ("lump", "p1")
    assert np.array_equal(truth["a"].roi(), roi)
    assert truth["b"].roi() is None
    assert (tmp_path / "truth.csv").read_text() == "image,finding,group,source\na,lump,p1,x/a.png\nb,none,p2,\n"


def test_ids_may_have_dots(tmp_path: Path):
    write_mask(tmp_path, "1.2.840.1", np.ones((4, 4, 1), bool), np.eye(4))
    write_truth(tmp_path, [TruthRow("1.2.840.1", "lump", "p"), TruthRow("1.2.840.2", "lump", "p")])
    truth = read_truth(tmp_path)
    assert truth["1.2.840.1"].mask is not None
    assert truth["1.2.840.2"].mask is None


def test_a_folder_without_truth_says_so(tmp_path: Path):
    with pytest.raises(XalError, match=r"truth\.csv does not exist"):
        read_truth(tmp_path)
