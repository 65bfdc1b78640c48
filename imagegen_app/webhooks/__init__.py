"""The door for providers' webhooks."""
