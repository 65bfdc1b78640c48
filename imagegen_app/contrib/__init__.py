"""Bridges to other platforms; each is a Django app of its own."""
