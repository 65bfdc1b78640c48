"""The bell: wake a worker by name. Engines may lose, repeat or reorder what they are told."""
