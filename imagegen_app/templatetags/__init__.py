"""Template tags: `{% load imagegen %}` for the public, `{% load imagegen_admin %}` for the admin."""
