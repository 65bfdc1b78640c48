"""Prove the imaging room with pictures made by code."""
