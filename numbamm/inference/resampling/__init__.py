"""What is learnt from drawn responses: the parametric bootstrap and power."""
