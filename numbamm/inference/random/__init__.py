"""What a fit says of the random effects: levels, components, shares of variance."""
