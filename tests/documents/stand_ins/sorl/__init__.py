"""As much of sorl-thumbnail as a page needs."""
