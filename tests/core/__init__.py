"""Prove the values and rules of the app."""
