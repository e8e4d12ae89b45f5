"""Cameras, tiles, point clouds and depth encodings: numpy only, no network and no ROS."""
