"""`make demo`: simulated readers work as a clinic would, beside labels alone."""
