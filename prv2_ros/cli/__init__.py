"""The `prv2` command line: one file per command, and one place that turns errors into one line."""
