"""Predictions and simulated responses, for the rows of the fit or for new rows."""
