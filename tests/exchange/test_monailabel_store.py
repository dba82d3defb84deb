"""Labels of MONAI Label's own folder store are taken over once."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from harness.local import INFO, Local
from harness.pools import write_label

from xal.cli import main
from xal.errors import BadInput
from xal.exchange.monailabel_store import import_at_start, import_datastore_v2


def old_store(local: Local, labels: dict[str, dict]) -> None:
    folder = local.studies / "labels" / "final"
    folder.mkdir(parents=True)
    objects = {}
    for image in local.ids:
        objects[image] = {"image": {"ext": ".png", "info": {"group": f"p-{image[-2:]}"}}, "labels": {}}
        if image in labels:
            write_label(folder / f"{image}.nii.gz", local.pictures[image])
            objects[image]["labels"]["final"] = {"ext": ".nii.gz", "info": labels[image]}
    listing = {"name": "old", "description": "", "images_dir": ".", "labels_dir": "labels", "objects": objects}
    (local.studies / "datastore_v2.json").write_text(json.dumps(listing))


def test_labels_count_and_are_settled(tmp_path: Path):
    local = Local(tmp_path, 12)
    old_store(local, {image: {"label_info": INFO, "client_id": "old hand"} for image in local.ids[:6]})
    imported = import_datastore_v2(local.project)
    assert imported.labels == 6
    settled = {row.image.id: row for row in local.project.store.annotations.settled()}
    assert {image: row.finding for image, row in settled.items()} == {
        image: local.pictures[image].finding for image in local.ids[:6]
    }
    assert settled[local.ids[0]].annotations[0].reader == "old hand"
    assert settled[local.ids[0]].image.group == f"p-{local.ids[0][-2:]}"


def test_it_happens_once(tmp_path: Path):
    local = Local(tmp_path, 6)
    old_store(local, {local.ids[0]: {"label_info": INFO}})
    import_at_start(local.project)
    assert len(local.project.store.annotations.find()) == 1
    local.project.store.annotations.withdraw(1, "boss")
    import_at_start(local.project)
    assert local.project.store.annotations.find() == []


def again(local: Local, *options: str) -> int:
    return main(["import-labels", "--studies", str(local.studies), "--task", str(local.folder / "tiny.yaml"), *options])


def test_what_was_left_out_is_listed_and_can_be_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    local = Local(tmp_path, 6)
    old_store(local, {image: {"label_info": INFO} for image in local.ids[:3]})
    late = local.studies / f"{local.ids[2]}.png"
    content = late.read_bytes()
    local.project.store.images.mark_gone([local.ids[2]])
    late.unlink()
    import_at_start(local.project)
    assert again(local) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("2 labels imported, 1 left out\n")
    assert f"{local.ids[2]}: image '{local.ids[2]}' is gone" in printed
    late.write_bytes(content)
    assert again(local, "--again") == 0
    assert capsys.readouterr().out == "1 labels imported, 2 known before, 0 left out\n"
    assert [row.image for row in local.project.store.annotations.find()] == local.ids[:3]


def test_trying_again_changes_nothing_that_people_have_done_since(tmp_path: Path):
    local = Local(tmp_path, 6)
    old_store(local, {image: {"label_info": INFO, "client_id": "ada"} for image in local.ids[:3]})
    import_at_start(local.project)
    local.project.store.annotations.withdraw(1, "boss")
    local.hand_in(local.ids[1], "ada", truth=local.ids[4])
    (local.studies / "labels" / "final" / f"{local.ids[1]}.nii.gz").write_bytes(b"edited")
    other = local.studies / f"{local.ids[5]}.png"
    (local.studies / f"{local.ids[2]}.png").write_bytes(other.read_bytes())
    local.project.store.images.update_info(local.ids[0], {"group": "corrected"})
    local.project.sync()
    before = local.project.store.annotations.find(active_only=False)
    imported = import_datastore_v2(local.project)
    assert (imported.labels, imported.known) == (0, 2)
    assert imported.skipped == {local.ids[1]: "ada has handed it in since"}
    assert local.project.store.annotations.find(active_only=False) == before
    assert local.project.store.images.get(local.ids[0]).info == {"group": "corrected"}


def test_without_an_old_store_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert again(Local(tmp_path, 3)) == 1
    assert "there is no datastore_v2.json" in capsys.readouterr().err


def test_what_cannot_be_read_is_named_and_the_rest_is_imported(tmp_path: Path):
    local = Local(tmp_path, 6)
    old_store(local, {image: {"label_info": INFO} for image in local.ids[:4]})
    folder = local.studies / "labels" / "final"
    (folder / f"{local.ids[0]}.nii.gz").write_bytes(b"rubbish")
    (folder / f"{local.ids[1]}.nii.gz").unlink()
    imported = import_datastore_v2(local.project)
    assert imported.labels == 2
    assert set(imported.skipped) == set(local.ids[:2])


def test_older_stores_name_values_in_another_way(tmp_path: Path):
    local = Local(tmp_path, 6)
    old_store(local, {local.ids[1]: {"params": {"label_names": {"disc": 1, "square": 2}}}})
    assert import_datastore_v2(local.project).labels == 1


def test_scores_of_an_older_model_stay_behind_and_cost_no_label(tmp_path: Path):
    local = Local(tmp_path, 6)
    old_store(local, {image: {"label_info": INFO} for image in local.ids[:2]})
    file = local.studies / "datastore_v2.json"
    listing = json.loads(file.read_text())
    said = {"epistemic_entropy": 0.4, "dice": math.nan, "PatientID": "p-1", "strategy": {"random": {}}}
    listing["objects"][local.ids[0]]["image"]["info"] = said
    listing["objects"][local.ids[1]]["image"]["info"] = {"scores": [math.nan]}
    file.write_text(json.dumps(listing))
    assert import_datastore_v2(local.project).labels == 2
    assert local.project.store.images.get(local.ids[0]).info == {"PatientID": "p-1"}


def test_values_that_are_no_numbers_are_named(tmp_path: Path):
    local = Local(tmp_path, 6)
    old_store(local, {local.ids[0]: {"params": {"label_names": {"disc": "one"}}}, local.ids[1]: {"label_info": INFO}})
    imported = import_datastore_v2(local.project)
    assert imported.labels == 1
    assert set(imported.skipped) == {local.ids[0]}


def test_a_damaged_list_is_left_alone(tmp_path: Path):
    local = Local(tmp_path, 3)
    (local.studies / "datastore_v2.json").write_text('{"objects": ')
    import_at_start(local.project)
    with pytest.raises(BadInput, match="cannot be read"):
        import_datastore_v2(local.project)
    assert local.project.store.images.counts()["labelled"] == 0
