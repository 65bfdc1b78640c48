"""Send files of assets to visitors and staff."""
