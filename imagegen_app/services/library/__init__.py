"""Assets that exist: found, decided about, placed, shown and taken down."""
