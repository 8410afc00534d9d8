"""Predictions and simulated responses, for the rows of the fit and for new ones."""
