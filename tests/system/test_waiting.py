"""Clients wait for an archive a little, few at a time; work in the background takes its time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from xal.errors import NoAnswer, Unavailable
from xal.sources.address import Address
from xal.sources.client import Archive
from xal.system import waiting
from xal.system.waiting import AT_ONCE, IN_LINE, Turns, for_somebody, patiently


@pytest.mark.slow
def test_of_many_clients_few_wait_and_the_others_are_told_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "IN_LINE_SECONDS", 3)
    turns, hang, took = Turns(), threading.Event(), []

    def ask(_: int) -> bool:
        began = time.monotonic()
        with suppress(Unavailable), for_somebody(), turns.one():
            hang.wait(60)
            return True
        took.append(time.monotonic() - began)
        return False

    with ThreadPoolExecutor(60) as pool:
        asked = pool.map(ask, range(60))
        while len(took) < 60 - AT_ONCE:
            time.sleep(0.01)
        with turns.one():
            pass  # the background is not counted
        hang.set()
        assert sum(asked) == AT_ONCE
    assert sum(seconds > 2.5 for seconds in took) <= IN_LINE
    with for_somebody(), turns.one():
        pass  # all turns are free again


def test_after_a_request_without_answer_clients_are_told_at_once_and_the_background_asks_on():
    turns = Turns()
    with pytest.raises(NoAnswer), for_somebody(), turns.one():
        raise NoAnswer("the archive does not answer (ReadTimeout)")
    with pytest.raises(Unavailable, match="ReadTimeout"), for_somebody(), turns.one():
        raise AssertionError("nobody asks")
    with turns.one():
        pass  # it has answered
    with for_somebody(), turns.one():
        pass


def test_an_archive_that_answers_though_not_with_the_image_is_asked_for_the_next_one():
    turns = Turns()
    for _ in range(2):
        with pytest.raises(Unavailable, match="404"), for_somebody(), turns.one():
            raise Unavailable("the archive answers 404")


def test_while_it_is_known_to_be_away_no_client_waits():
    turns = Turns()
    turns.away = "the archive answers 500"
    with pytest.raises(Unavailable, match="answers 500"), for_somebody(), turns.one():
        raise AssertionError("nobody asks")
    with for_somebody(), patiently(), turns.one():
        pass  # a data set is made: it waits like the background


def test_what_a_client_waits_for_is_asked_for_once(monkeypatch: pytest.MonkeyPatch):
    archive = Archive(Address.parse("http://127.0.0.1:9/dicom-web", {}))
    monkeypatch.setattr("xal.sources.client.BACKOFF_SECONDS", 60)
    began = time.monotonic()
    with pytest.raises(NoAnswer), for_somebody():
        archive.headers("1.2", "1.2.3")
    assert time.monotonic() - began < 30
