"""Teaching the policy: environments, rewards, training."""
