"""What one term of the formula contributes: `ReMat` for random effects, `FeMat` for fixed."""
