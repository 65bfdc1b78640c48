"""The demo shop's catalogue: an ordinary app that knows nothing of image generation."""
