"""Profile likelihoods."""
