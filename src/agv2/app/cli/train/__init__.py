"""`agv2 train`: the stages of a run that learn, one by one."""
