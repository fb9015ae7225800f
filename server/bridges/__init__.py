"""Ways to other transports: one class each, for what is written there and for what goes there."""
