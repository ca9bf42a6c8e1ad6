"""What each head of the encoder is worth on bars that nothing was fitted or chosen on."""
