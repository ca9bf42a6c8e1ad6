"""Who does the independent pieces of a job: this process, others on this machine, or a cluster."""
