"""Apply a trained network to benchmarks, and count what it gets right."""
