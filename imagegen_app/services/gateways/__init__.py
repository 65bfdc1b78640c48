"""Access to what lies outside the app: adapters, storage, screeners, the site's content."""
