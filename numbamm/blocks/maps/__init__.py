"""The cross-product A taken out of its buffer: as matrices, and in other columns."""
