"""What the notebooks draw and measure with: nothing in AGV2 itself depends on it."""
