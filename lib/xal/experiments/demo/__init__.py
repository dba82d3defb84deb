"""`make demo`: a simulated reader over the real interface."""
