"""Hyper-parameter search that ends before the first test bar: the work behind `agv2 tune`."""
