"""Many linear models at once: of many responses on one design, and of many groups of rows."""
