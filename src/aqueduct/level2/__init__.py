"""Level 1 to Level 2: ramps to calibrated exposures, one step to a module of its name."""
