"""One cheap image by each real provider whose key is in the environment; without keys, all are skipped."""
