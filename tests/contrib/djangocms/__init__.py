"""Generated images on django CMS pages."""
