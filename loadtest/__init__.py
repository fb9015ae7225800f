"""The load harness: clients in processes of their own that check every promise they measure."""
