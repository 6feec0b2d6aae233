"""Benchmarks: ratios against a yardstick measured in the same run. `python -m benchmarks` lists and runs them."""
