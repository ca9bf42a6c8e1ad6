"""AGV2 learns price-action patterns, trades them, and says honestly whether there is an edge.

Every name has one address: import it from the module that defines it.
"""
