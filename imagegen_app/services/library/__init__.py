"""Existing assets: choose, review, place, deliver, export and take down."""
