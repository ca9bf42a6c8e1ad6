"""Messages to people: what is told, through which channel, and how often."""
