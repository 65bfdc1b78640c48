"""Offer what other sites use in their tests: the provider simulator and its fixtures."""
