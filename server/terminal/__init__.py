"""The terminal client, which is also the reference for how a client keeps up."""
