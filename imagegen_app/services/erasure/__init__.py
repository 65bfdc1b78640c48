"""Erasing personal texts: preview, erase from tables and files, and prove it."""
