"""Assets in a site's own templates."""
