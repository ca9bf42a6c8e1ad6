"""Live events: what happened, told once to every part of the program and to other processes."""
