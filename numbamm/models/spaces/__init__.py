"""Search spaces: the coordinates in which models are fitted, and the objective in them."""
