"""The further parts of a model: as models of their own predictor, and their coefficients."""
