"""The TradeLocker wire protocol; venue JSON exists here and nowhere else."""
