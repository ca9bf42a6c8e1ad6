"""Policies trained alone: the work behind `agv2 train policy`."""
