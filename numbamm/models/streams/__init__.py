"""Models of rows that are read chunk by chunk and not kept."""
