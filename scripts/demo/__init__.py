"""Parts of scripts/demo.sh: inputs in bags, the exchange with the node, the check against truth, and the page."""
