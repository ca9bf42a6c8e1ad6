"""The page of `agv2 train challenger`."""
