"""The optimisers that numbamm ships, plug-ins like any other."""
