"""Values and rules of the app; without input or output, and without Django."""
