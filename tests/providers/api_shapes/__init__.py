"""Hold what providers' own API descriptions say of the calls that our adapters make."""
