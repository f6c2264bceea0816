"""Benchmarks: each figure beside its yardstick, measured in turn in the same run (bench/README.md says with whom)."""
