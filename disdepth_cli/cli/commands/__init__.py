"""One file a command: flags -> config -> one engine call -> print."""
