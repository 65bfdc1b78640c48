"""A small shop that uses the image app as a stranger would: demo, browser tests, screenshots."""
