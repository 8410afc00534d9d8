"""Known covariances between the levels of a grouping factor, and where they come from."""
