"""`agv2 data`: one file a command."""
