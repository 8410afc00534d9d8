"""numbamm: linear and generalized linear mixed-effects models, compiled with numba."""
