"""Agents put together: who there is, their users, and what they answer with."""
