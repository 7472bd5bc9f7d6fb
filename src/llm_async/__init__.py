"""Fast, async, wire-level clients for model servers."""
