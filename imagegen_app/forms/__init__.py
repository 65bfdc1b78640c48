"""Form parts that several front ends use: widgets, fields, and mixins for model admins."""
