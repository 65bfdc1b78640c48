"""What several benchmarks share: settings, a shop, processes."""
