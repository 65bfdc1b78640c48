"""Job requests and the jobs made of them: compose, price, check, create, cancel and re-run."""
