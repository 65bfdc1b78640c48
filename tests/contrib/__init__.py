"""Bridges to other platforms."""
