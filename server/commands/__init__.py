"""The commands of `parley`, a module each: `configure` says what it takes, `run` returns its exit code."""
