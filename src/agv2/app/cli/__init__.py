"""The `agv2` command line, one file a command group."""
