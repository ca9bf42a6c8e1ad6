"""`agv2 features`: one file a command."""
