"""The first minute: a server that starts with labels and without a model trains, and scores, by itself."""

from __future__ import annotations

from pathlib import Path

from harness.room import open_room


def test_a_first_start_trains_by_itself_and_so_do_enough_new_labels(tmp_path: Path):
    room = open_room(tmp_path, 45)
    pictures = sorted(room.pictures)
    with room.server as server:
        for image in pictures[:24]:
            room.hand_in(image)
        assert server.status()["next_training"] is None
    room = open_room(tmp_path, 45, auto_train=4)
    with room.server as server:
        server.wait(lambda: server.status()["model_version"] == 1, 60, "a model that nobody asked for")
        assert server.wait_scored()["next_training"] == 4
        assert server.post("/activelearning/xal", {"client_id": "ada"}).json()["xal"]["score"] is not None
        for image in pictures[24:27]:
            room.hand_in(image)
        assert server.status()["next_training"] == 1
        room.hand_in(pictures[27])
        server.wait(lambda: len(server.get("/xal/api/versions").json()["items"]) == 2, 60, "the second training")

        def ends() -> list[str]:
            jobs = server.get("/xal/api/jobs").json()["items"]
            return [job["state"] for job in jobs if job["kind"] == "train"]

        server.wait(lambda: ends() == ["done", "done"], 20, "its end")
        assert server.status()["next_training"] == 4
