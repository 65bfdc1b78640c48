"""Files of assets, as browsers ask for them."""
