"""What docs/EVIDENCE.md says first is what the committed rows say."""

import importlib.util
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "EVIDENCE.md"


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "bench" / "evidence" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


headline, regions = script("headline"), script("regions")


@pytest.fixture(scope="module")
def results():
    return {name: headline.results_of(name) for name in headline.SETS}


@pytest.mark.parametrize("table", [headline.main_table, headline.exploratory_table])
def test_the_tables_of_the_page_are_those_of_the_rows(results, table):
    assert "\n".join(table(results)) in PAGE.read_text(encoding="utf-8"), "run bench/evidence/headline.py"


def test_the_table_of_outlines_without_a_finding_is_that_of_the_rows():
    assert "\n".join(regions.table()) in PAGE.read_text(encoding="utf-8"), "run bench/evidence/regions.py"


def test_readme_says_what_the_table_says(results):
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    outlines = dict(headline.answers(results, headline.LATER[0]))
    choosing = dict(headline.answers(results, headline.REGISTERED[0]))
    said = [f"**{100 * outlines[title].mean:.1f} points**" for title in headline.SETS.values()]
    said += [f"adds {100 * choosing['brain MRI'].mean:.1f} points on brain MRI"]
    assert [text for text in said if text not in readme] == []


def test_what_does_not_survive_the_correction_is_not_shown(results):
    rows = list(headline.main_table(results))
    xal = next(row for row in rows if "`xal` − `uniform` | brain MRI" in row)
    assert "| [+0.01, +1.5] | 10 | yes | not shown after correction (p = 0.42) |" in xal
    outlines = next(row for row in rows if "`uniform` − `uniform_plain` | brain MRI" in row)
    assert outlines.endswith("| no | **yes** |")


@pytest.mark.slow
def test_the_picture_is_made(tmp_path, capsys):
    picture = tmp_path / "headline.png"
    headline.main(["--out", str(picture)])
    with Image.open(picture) as drawn, Image.open(ROOT / "docs" / "evidence" / "headline.png") as shown:
        assert drawn.size == shown.size
    assert "| Do outlines help? " in capsys.readouterr().out
