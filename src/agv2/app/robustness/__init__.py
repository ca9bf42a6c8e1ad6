"""How far a finished run depends on what was chosen, on chance, and on calm markets."""
