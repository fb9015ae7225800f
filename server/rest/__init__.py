"""The endpoints, by concept. Each module gathers its own routes; `table.py` lists them all."""
