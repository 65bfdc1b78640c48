"""Prove the imaging room with images made by code."""
