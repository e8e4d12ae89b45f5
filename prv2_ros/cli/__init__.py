"""The `prv2` command: one module per command, each with `add_parser`."""
