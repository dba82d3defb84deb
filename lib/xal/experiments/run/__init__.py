"""Simulations: every arm with every seed, row by row."""
