"""What `data.price_action_dataset` is made of: the header, the columns and the writing of a file of windows."""
