"""Families with further parameters, and models of several predictors."""
