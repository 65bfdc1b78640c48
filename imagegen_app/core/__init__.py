"""Values and rules of the house: no input or output, nothing of Django."""
