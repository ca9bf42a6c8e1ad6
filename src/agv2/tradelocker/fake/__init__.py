"""A TradeLocker of our own: the documented wire format real HTTP, faults to order, a true ledger."""
