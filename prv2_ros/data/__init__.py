"""Training and test data: procedural scenes with exact depth. Uses the geometry layer only."""
