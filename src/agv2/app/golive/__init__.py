"""The go-live gate: what a model must show on paper before it trades real money."""
