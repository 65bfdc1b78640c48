"""The shop that the pages speak of; modules that they show are put in by the test."""
