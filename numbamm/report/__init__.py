"""Tables as text and HTML, both made from one description of their content."""
