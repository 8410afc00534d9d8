"""What is asked of a fitted model: predictions, and the inference to come."""
