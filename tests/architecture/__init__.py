"""Check the structure of the code: layers, size, shape, documents and package."""
