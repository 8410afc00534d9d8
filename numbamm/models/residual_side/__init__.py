"""The residual side of a linear model: standard deviations of rows, and correlations in groups."""
