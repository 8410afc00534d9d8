"""Families of distributions: each file has one record, `FAMILY`."""
