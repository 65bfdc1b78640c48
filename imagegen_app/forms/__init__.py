"""Pieces of forms that several faces use: widgets, fields and mixins for model admins."""
