"""The demo command, and what it puts under governance."""
