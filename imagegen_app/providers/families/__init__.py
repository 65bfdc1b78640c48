"""Wire shapes shared by several providers."""
