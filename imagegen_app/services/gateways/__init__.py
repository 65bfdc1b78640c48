"""The only hands that touch the outside world and the site's content: adapters, storage, screeners."""
