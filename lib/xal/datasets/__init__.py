"""Data sets: where cases (image, ROI, finding, group) come from."""
