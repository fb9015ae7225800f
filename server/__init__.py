"""What faces the outside: settings, sockets, routes, command line, and the composition root."""
