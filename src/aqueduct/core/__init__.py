"""The words all other folders use: errors, DQ flags, configs, steps, provenance."""
