"""Where state lives: an embedded database, or Redis."""
