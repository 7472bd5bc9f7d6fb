"""Python functions as tools: what a model is told of them, and running them for it."""
