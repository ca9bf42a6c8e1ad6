"""The words everything else is written in: bars, orders, accounts, time, errors."""
