"""Hold the house to its plan: layers, size, shape, documents and package."""
