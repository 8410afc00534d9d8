"""Tables that people read: text and HTML, from one description of the content."""
