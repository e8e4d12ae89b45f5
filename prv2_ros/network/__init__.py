"""The networks, their weights on disk, and where those lie."""
