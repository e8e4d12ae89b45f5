"""Training of the coarse network and the refiner: losses, stages, loop."""
