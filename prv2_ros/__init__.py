"""High-resolution metric depth for ROS 2: PatchRefiner V2 on an onboard GPU."""

__version__ = "0.1.0"
