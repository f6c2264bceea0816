"""The journal's own rules: what links its records, and what of them is not yet known to be kept."""
