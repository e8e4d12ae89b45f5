"""Image and camera in, metric depth out."""
