"""What is claimed, measured beside its peers: one module per benchmark, each with `run` and `summary`."""
