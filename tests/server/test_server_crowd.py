"""Many readers and jobs at once: no image to two readers, nothing handed in lost."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from harness.pools import FINDINGS
from harness.room import Room, open_room
from harness.stopwatch import fastest

POOL = 300


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory):
    room = open_room(tmp_path_factory.mktemp("crowd"), POOL)
    with room.server:
        yield room


def test_eight_readers_at_once_never_get_the_same_image(crowd: Room):
    def work(reader: str) -> list[str]:
        mine = []
        for _ in range(12):
            sample = crowd.server.post("/activelearning/xal", {"client_id": reader}).json()
            mine.append(sample["id"])
            crowd.hand_in(sample["id"], reader)
        return mine

    with ThreadPoolExecutor(8) as readers:
        given = [image for images in readers.map(work, [f"reader {n}" for n in range(8)]) for image in images]
    assert [image for image, times in Counter(given).items() if times > 1] == []
    assert len(given) == 96
    listed = crowd.server.get("/xal/api/annotations", limit=1000).json()["items"]
    assert Counter(row["image"] for row in listed if row["reader"].startswith("reader ")) == Counter(given)


def test_two_clients_without_an_id_get_different_images(crowd: Room):
    first = [crowd.server.post("/activelearning/random", None).json()["id"] for _ in range(3)]
    second = [crowd.server.post("/activelearning/xal", {"client_id": "user-xyz"}).json()["id"] for _ in range(3)]
    assert len({*first, *second}) == 6


def test_next_sample_answers_while_everything_else_is_busy(crowd: Room):
    stop = threading.Event()

    def noise() -> None:
        while not stop.is_set():
            requests.get(f"{crowd.server.url}/datastore/?output=all", timeout=60)

    threads = [threading.Thread(target=noise) for _ in range(2)]
    for thread in threads:
        thread.start()
    numbers = itertools.count()

    def ask() -> None:
        assert crowd.server.post("/activelearning/xal", {"client_id": f"timed {next(numbers)}"}).json()["id"]

    try:
        assert fastest(ask, 20) < 1.0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_sixty_submits_while_scoring_runs_are_all_complete(crowd: Room):
    server = crowd.server
    for image in sorted(crowd.pictures)[:30]:  # enough to train on
        crowd.hand_in(image, "teacher")
    images = [server.post("/activelearning/uniform", {"client_id": "busy"}).json()["id"] for _ in range(60)]
    before = _score_jobs(server)
    server.train(max_epochs=1)  # publishes, so the pool is being scored from now on
    server.wait(lambda: len(_score_jobs(server)) > len(before), 60, "scoring to start")

    def submit(image: str) -> bool:
        reply = server.submit(image, crowd.label(image), list(FINDINGS), "busy", model="attention")
        return reply.ok

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(submit, images))
    server.wait_scored()
    listing = server.get("/datastore/", output="all").json()["objects"]
    for image in images:
        info = listing[image]["labels"]["final"]["info"]
        assert info["client_id"] == "busy"
        assert info["model"] == "attention"
        assert [entry["name"] for entry in info["label_info"]] == [*FINDINGS, "region"]
        assert info["finding"] == crowd.pictures[image].finding
        assert server.get("/datastore/label", label=image, tag="final").ok


def test_scoring_requests_are_coalesced(crowd: Room):
    server = crowd.server
    with ThreadPoolExecutor(10) as pool:
        asked = list(pool.map(lambda _: server.post("/scoring/xal", {}).json()["id"], range(20)))
    assert len(set(asked)) <= 2, "one runs, one waits"
    server.wait(lambda: not _scoring(server), 120, "scoring to end")
    assert _overlaps(_score_jobs(server)) == []


def _scoring(server) -> list[dict]:
    tasks = server.get("/scoring/", all=True)
    return [task for task in tasks.json() if task["status"] in ("SUBMITTED", "RUNNING")] if tasks.ok else []


def _score_jobs(server) -> list[dict]:
    return [job for job in server.get("/xal/api/jobs", limit=100).json()["items"] if job["kind"] == "score"]


def _overlaps(jobs: list[dict]) -> list[tuple[int, int]]:
    runs = sorted((job["started_at"], job["finished_at"] or float("inf"), job["id"]) for job in jobs)
    return [(a[2], b[2]) for a, b in itertools.pairwise(runs) if b[0] < a[1]]


def test_double_reading_needs_a_second_reader(tmp_path: Path):
    room = open_room(tmp_path, 12, task_extra="")
    task = tmp_path / "tiny.yaml"
    task.write_text(task.read_text().replace("double: 0", "double: 1"))
    with room.server as server:
        for reader in ("ada", "bob"):
            server.post("/activelearning/uniform", {"client_id": reader})
        image = sorted(room.pictures)[0]
        room.hand_in(image, "ada")
        assert server.status()["settled"] == 0, "one reading of two"
        room.hand_in(image, "bob")
        assert server.status()["settled"] == 1, "both agree"
        other = sorted(room.pictures)[1]
        room.hand_in(other, "ada")
        server.submit(other, room.label(sorted(room.pictures)[2]), list(FINDINGS), "bob")
        assert server.status()["review"] == 1, "they differ"
        assert server.status()["settled"] == 1
