"""How often the verdict is right about markets whose truth is known."""
