"""How the tables came to be; a migration imports none of our code."""
