"""Random effects: conditional modes, variance components, shrinkage and shares of variance."""
