"""Sites that are not the demo: made by Django's own `startproject`, with the README's lines."""
