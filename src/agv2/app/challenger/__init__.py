"""A model in use, trained on with newer bars: the work behind `agv2 train challenger`."""
