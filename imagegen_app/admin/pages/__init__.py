"""Pages of the admin that are no table."""
