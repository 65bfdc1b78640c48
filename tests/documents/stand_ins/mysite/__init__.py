"""The site of an author of adapters."""
