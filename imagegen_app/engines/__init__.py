"""Wake a worker through the site's queue; engines may lose, repeat or reorder messages."""
