"""The tables and the statements that read and write them, on SQLite and PostgreSQL."""
