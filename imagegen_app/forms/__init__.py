"""Pieces of forms that several front ends use: widgets, fields and mixins for model admins."""
