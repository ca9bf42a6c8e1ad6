"""The networks, what they are trained on, and the bundle that ships them."""
