"""Agents: users that actors speak for."""
