"""Webhooks: what other programs post, and what they are told."""
