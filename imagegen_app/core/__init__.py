"""Values and rules of the app: no input or output, nothing of Django."""
