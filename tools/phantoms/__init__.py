"""DICOM phantoms for tests and `make pacs`: series as devices store them, with the truth of what they show."""

from phantoms.cases import KINDS, Case, case, content, write

__all__ = ["KINDS", "Case", "case", "content", "write"]
