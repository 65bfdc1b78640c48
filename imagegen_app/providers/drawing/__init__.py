"""Draw images without any model, for the sandbox and the simulator."""
