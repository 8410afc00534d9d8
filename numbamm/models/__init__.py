"""The models: what a formula, a frame and an optimiser make of the blocks."""
