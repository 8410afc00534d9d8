"""Inference from fitted models: tests, intervals, comparison, prediction, diagnostics."""
