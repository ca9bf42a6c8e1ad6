"""What a person starts: the commands, composed from everything below."""
