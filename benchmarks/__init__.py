"""Scripts that print tables: run each as ``python -m benchmarks.<name>``."""
