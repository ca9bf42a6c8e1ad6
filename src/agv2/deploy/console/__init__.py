"""The console: one page for a person, without data of its own; what it shows it asks for with the person's token."""
