"""Permissions, grants, budgets and the catalog of models: who may do what, at what cost."""
