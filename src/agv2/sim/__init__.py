"""What a venue does to an order: fills, costs, stops, targets."""
