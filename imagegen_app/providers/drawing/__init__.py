"""Draw pictures without any model, for the sandbox and the simulator."""
