"""Values: what is asked of a model and what it says, the same for every provider."""
