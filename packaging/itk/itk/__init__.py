"""Stands in for ITK: MONAI Label imports it for a label writer that xal never calls."""

from __future__ import annotations

from typing import NoReturn


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"itk.{name}: this module only stands in for ITK; pip install --force-reinstall itk has the real one"
    )
