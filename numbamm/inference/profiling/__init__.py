"""Profile likelihoods and the intervals that follow from them."""
