"""Paper and live trading, composed."""
