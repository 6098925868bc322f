"""Predictions, metrics with intervals, baselines."""
