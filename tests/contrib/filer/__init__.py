"""Images of django-filer in the studio."""
