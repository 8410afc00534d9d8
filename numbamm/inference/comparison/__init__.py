"""Comparison of models: likelihood-ratio tests, information criteria, tests of single terms."""
