"""Start from images of django-filer."""
