"""Training encoders on bars or on a file of windows, and the evidence of what their heads are worth."""
