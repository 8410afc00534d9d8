"""Pictures of results: a file each, which is handed the numbers that it draws.

They take `ax` or `axes` or make their own, return them, and follow the style that matplotlib is
set to. matplotlib is imported when something is drawn.
"""
