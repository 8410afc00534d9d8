"""Around the search of a fit: where it begins, what its end is worth, and what users are told."""
