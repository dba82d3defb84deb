"""The database connection and the one way to read and to write through it."""

from __future__ import annotations


class Base:
    """What every part of the store shares: pool, task, and transactions."""

    pool: str
    task: str
