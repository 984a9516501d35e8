"""Edits with a true answer: cases, baselines, scores, tables and sheets that the benchmarks of the applications share."""
