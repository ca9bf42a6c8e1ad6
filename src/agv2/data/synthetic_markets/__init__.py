"""Six instruments of our own making: sessions, volatility and tails as measured, edges as planted, truth recorded."""
