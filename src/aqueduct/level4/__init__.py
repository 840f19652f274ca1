"""Level 3 to Level 4: co-adds to catalogs, one step to a module of its name."""
