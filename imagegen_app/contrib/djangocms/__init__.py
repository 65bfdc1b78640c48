"""Show generated images on django CMS pages."""
