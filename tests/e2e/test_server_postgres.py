"""The whole loop with the store in PostgreSQL: the same server, another `--conf database`."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness.postgres import new_database
from harness.room import open_room


@pytest.mark.e2e
def test_readers_train_and_go_on_after_a_kill(tmp_path: Path, cluster: str):
    room = open_room(tmp_path, 60, database=new_database(cluster))
    server = room.server.start()

    def work(reader: str) -> list[str]:
        given = []
        for _ in range(9):
            image = server.post("/activelearning/xal", {"client_id": reader}).json()["id"]
            given.append(image)
            room.hand_in(image, reader)
        return given

    try:
        with ThreadPoolExecutor(4) as readers:
            given = [image for images in readers.map(work, ["a", "b", "c", "d"]) for image in images]
        assert max(Counter(given).values()) == 1
        assert server.train(max_epochs=2)["state"] == "published"
        server.wait_scored()
        server.kill()
        server.start()
        listed = {row["image"] for row in server.get("/xal/api/annotations").json()["items"]}
        assert listed == set(given)
        sample = server.post("/activelearning/xal", {"client_id": "e"}).json()
        assert sample["xal"]["model_version"] == 1
        assert sample["id"] not in listed
        assert not (room.folder / "studies" / ".xal" / "store.sqlite").exists()
    finally:
        server.stop()
