"""Read keys from stores outside of the site: Vault, AWS, Google Cloud and Azure."""
