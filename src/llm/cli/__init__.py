"""The command `dragoman`. Nothing is built on it, and it needs no extra."""
