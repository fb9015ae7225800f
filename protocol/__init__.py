"""The wire contract as pure structs and bytes: commands, events, errors, codec and session."""
