"""The one path from features to an order, shared by training, replay and live."""
