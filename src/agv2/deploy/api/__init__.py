"""The decision service over HTTP: access, routes, and what every answer has."""
