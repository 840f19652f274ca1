"""Level 2 to Level 3: exposures to co-adds on sky cells, one step to a module of its name."""
