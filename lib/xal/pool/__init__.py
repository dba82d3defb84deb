"""One task on one set of images: its folders, caches, jobs and label files."""
