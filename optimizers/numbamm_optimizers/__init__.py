"""The optimisers that numbamm ships, plug-ins like any other.

Each file ``name_backend.py`` holds one, ``BACKEND``, and is found by being there.
"""
