"""Training and test data: procedural scenes with exact depth, and readers of real data sets. Uses the geometry only."""
