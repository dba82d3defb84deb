import pytest
import yaml

from xal.errors import TaskError
from xal.task import ATTENTION_BANDS, TASKS, Code, load_task

GOOD = {
    "name": "knee",
    "title": "Knee",
    "findings": [{"name": "tear"}, {"name": "none", "absent": True}],
    "image": {"dimensions": 2, "size": [64, 64]},
}


def write(folder, **changes):
    path = folder / "knee.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}), encoding="utf-8")
    return path


def mistake(folder, **changes):
    path = write(folder, **changes)
    with pytest.raises(TaskError) as caught:
        load_task(path)
    message = str(caught.value)
    assert all(line.startswith(f"{path}: ") for line in message.splitlines())
    return message.replace(f"{path}: ", "")


SHIPPED = {
    "phantom_2d": "no finding",
    "phantom_3d": "no finding",
    "brats": None,
    "brats_slices": None,
    "brats_regions": None,
    "vindr_cxr": "No finding",
    "siim_covid": "Negative for Pneumonia",
    "busi": "normal",
    "brain_tumours": None,
}


def test_every_shipped_task_is_tested():
    assert {path.stem for path in TASKS.glob("*.yaml")} == set(SHIPPED)


@pytest.mark.parametrize(("name", "absent"), SHIPPED.items())
def test_shipped_tasks_load_by_name(name, absent):
    task = load_task(name, TASKS)
    assert task.name == name
    assert task.absent == absent
    assert len(task.image.size) == task.image.dimensions


def test_task_loads_by_path_and_knows_its_defaults(tmp_path):
    task = load_task(write(tmp_path))
    assert task.finding_names == ("tear", "none")
    assert task.roi_findings == ("tear",)
    assert task.absent == "none"
    assert task.acquisition.alpha == 0.5
    assert (task.acquisition.misalignment, task.acquisition.batch.rule) == ("dice", "cover")
    assert (task.acquisition.stand_in, task.acquisition.stand_in_by) == ((), None)
    assert (task.training.guidance_kind, task.training.guidance) == ("energy", 0.3)
    assert task.reveal == "after_submit"
    assert task.index("none") == 1


def test_attention_comes_before_the_region_and_both_before_the_rois_in_the_segments(tmp_path):
    assert load_task(write(tmp_path)).segments == (*ATTENTION_BANDS, "region", "tear")
    assert load_task(write(tmp_path, regions=False)).segments == (*ATTENTION_BANDS, "tear")


def test_a_task_may_have_no_absent_finding(tmp_path):
    assert load_task(write(tmp_path, findings=[{"name": "a"}, {"name": "b"}])).absent is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"netwerk": {}}, ["netwerk", "unknown key", "did you mean 'network'?"]),
        ({"training": {"epochs": 3}}, ["training.epochs", "unknown key", "did you mean 'max_epochs'?"]),
        ({"image": {"dimensions": 2, "size": [64, 64], "chanels": 1}}, ["image.chanels", "did you mean 'channels'?"]),
        ({"findings": [{"name": "a", "abzent": True}, {"name": "b"}]}, ["findings.0.abzent", "did you mean 'absent'?"]),
        (
            {"image": {"dimensions": 2, "size": [64, 64], "intensity": {"knd": "zscore"}}},
            ["image.intensity.knd", "did you mean 'kind'?"],
        ),
        ({"training": {"max_epochs": "many"}}, ["training.max_epochs", "'many'", "integer"]),
        ({"training": {"max_epochs": 0}}, ["training.max_epochs", "0", "greater than or equal to 1"]),
        ({"acquisition": {"alpha": 1.5}}, ["acquisition.alpha", "1.5", "less than or equal to 1"]),
        ({"network": {"backbone": "resnet19"}}, ["network.backbone", "'resnet19'", "'resnet18'"]),
        ({"reveal": "never"}, ["reveal", "'never'", "'after_submit'"]),
        ({"name": "My Task"}, ["name", "'My Task'", "[a-z]"]),
        ({"findings": [{"name": "a"}]}, ["findings", "at least 2"]),
        ({"findings": [{"name": "a"}, {"name": "a"}]}, ["'a' is listed twice"]),
        (
            {"findings": [{"name": "a", "absent": True}, {"name": "b", "absent": True}]},
            ["at most one finding may be absent", "'a'", "'b'"],
        ),
        ({"findings": [{"name": "attention 1"}, {"name": "b"}]}, ["findings.0.name", "'attention 1'", "reserved"]),
        ({"findings": [{"name": "background"}, {"name": "b"}]}, ["findings.0.name", "'background'", "reserved"]),
        ({"findings": [{"name": " a"}, {"name": "b"}]}, ["findings.0.name", "' a'", "no spaces at its ends"]),
        ({"image": {"dimensions": 3, "size": [64, 64]}}, ["image", "size needs 3 numbers", "[64, 64]"]),
        ({"image": {"dimensions": 2, "size": [8, 64]}}, ["image", "at least 16", "[8, 64]"]),
        ({"image": {"dimensions": 4, "size": [64, 64]}}, ["image.dimensions", "4", "2 or 3"]),
        ({"image": {"dimensions": 2, "size": [64, 64], "spacing": [1, 0]}}, ["image", "spacing", "positive"]),
        ({"image": {"dimensions": 2, "size": [64, 64], "display_channel": 1}}, ["display_channel 1", "1 channel"]),
        (
            {"image": {"dimensions": 2, "size": [64, 64], "intensity": {"kind": "window", "low": 5, "high": 1}}},
            ["image.intensity", "low (5) must be below high (1)"],
        ),
        (
            {"image": {"dimensions": 2, "size": [64, 64], "intensity": {"low": 1, "high": 101}}},
            ["image.intensity", "between 0 and 100"],
        ),
    ],
)
def test_a_mistake_names_file_key_value_and_what_is_right(tmp_path, changes, said):
    message = mistake(tmp_path, **changes)
    assert [text for text in said if text not in message] == []


def test_every_mistake_is_named_at_once(tmp_path):
    message = mistake(tmp_path, reveal="never", training={"max_epochs": 0})
    assert "reveal" in message
    assert "training.max_epochs" in message


@pytest.mark.parametrize("key", ["name", "title", "findings", "image"])
def test_a_missing_key_is_named(tmp_path, key):
    path = tmp_path / "knee.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in GOOD.items() if k != key}), encoding="utf-8")
    with pytest.raises(TaskError, match=f"{key}: is required and missing"):
        load_task(path)


def test_an_unknown_name_offers_the_closest_task():
    with pytest.raises(TaskError, match="did you mean 'phantom_2d'"):
        load_task("phantom2d", TASKS)


def test_an_unknown_name_far_from_all_lists_them():
    with pytest.raises(TaskError, match=r"known tasks: .*phantom_2d.*phantom_3d"):
        load_task("zzz", TASKS)


@pytest.mark.parametrize(
    ("text", "said"), [("a: [", "is not YAML"), ("- a", "mapping of keys"), ("", "mapping of keys")]
)
def test_a_file_that_is_no_task_is_said_so(tmp_path, text, said):
    path = tmp_path / "knee.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TaskError, match=f"knee.yaml.*{said}"):
        load_task(path)


def test_weights_are_found_beside_the_task_file_or_named(tmp_path):
    path = write(tmp_path, network={"weights": "start.pt"})
    with pytest.raises(TaskError, match=r"network\.weights: .*start\.pt does not exist"):
        load_task(path)
    (tmp_path / "start.pt").write_bytes(b"")
    assert load_task(path).network.weights == tmp_path / "start.pt"


def coded(**code):
    finding = {"name": "tear", "code": {"scheme": "SCT", "value": "4147007", "meaning": "Mass", **code}}
    return {"findings": [finding, {"name": "none", "absent": True}]}


def test_a_finding_may_have_a_code_of_a_vocabulary(tmp_path):
    tear, nothing = load_task(write(tmp_path, **coded())).findings
    assert tear.code == Code(scheme="SCT", value="4147007", meaning="Mass")
    assert nothing.code is None


@pytest.mark.parametrize(("wrong", "said"), [
    ({"value": 4147007}, "findings.0.code.value: is 4147007; Input should be a valid string"),
    ({"value": "R-12345"}, "a SNOMED CT code (scheme SCT) is a number of at least 6 digits, not 'R-12345'"),
    ({"scheme": "SNOMED-CT"}, "SNOMED CT is scheme SCT in DICOM, not 'SNOMED-CT'"),
    ({"meaning": "Mass\\Lump"}, "a code has no backslashes"),
    ({"scheme": "A scheme with a long name"}, "findings.0.code.scheme"),
    ({"designator": "SCT"}, "findings.0.code.designator: unknown key"),
])  # fmt: skip
def test_a_code_that_dicom_cannot_hold_is_a_named_mistake(tmp_path, wrong, said):
    assert said in mistake(tmp_path, **coded(**wrong))


def test_a_code_changes_no_digest_of_rows_that_were_measured_without_it(tmp_path):
    with_code = load_task(write(tmp_path, **coded())).model_dump(mode="json")
    without = load_task(write(tmp_path)).model_dump(mode="json")
    assert with_code == without


@pytest.mark.parametrize(("wrong", "said"), [
    ({"outline": {"share": 33}}, "outline.share: is 33"),
    ({"outline": {"share": 0.33, "by": "entropy"}}, "outline.by: is 'entropy'"),
    ({"outline": {"by": "misalignment"}}, "takes acquisition.stand_in: [proposed]"),
    ({"outline": {"share": 0.5}, "findings": [{"name": "tear"}, {"name": "tear, no outline"}]},
     "'tear, no outline' cannot be a finding here"),
])  # fmt: skip
def test_an_outline_setting_that_makes_no_sense_is_a_named_mistake(tmp_path, wrong, said):
    assert said in mistake(tmp_path, **wrong)


def test_where_not_all_are_outlined_a_segment_says_each_finding_alone(tmp_path):
    task = load_task(write(tmp_path, outline={"share": 0.33}, acquisition={"stand_in": "proposed"}))
    alone = [f"{finding}, no outline" for finding in task.roi_findings]
    assert list(task.segments) == [*ATTENTION_BANDS, "region", *alone, *task.roi_findings]
