"""Contents of ROS messages as arrays and camera models. Fields are only read, so any object that has them will do."""
