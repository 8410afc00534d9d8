"""Inference about models of ordered categories."""
