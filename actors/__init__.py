"""The actors that own live state, and the runtime that gives them their turns."""
