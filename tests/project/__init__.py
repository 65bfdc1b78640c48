"""The demo site: a shop that uses the app as a stranger would."""
