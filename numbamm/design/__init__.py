"""Model matrices: `ReMat` of a random-effects term, `FeMat` of the fixed effects."""
