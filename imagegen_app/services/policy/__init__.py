"""Who may do what, for how much: permissions, grants, budgets and the catalog of models."""
