"""Many jobs from one template: planned, started, made row by row, paused and finished."""
