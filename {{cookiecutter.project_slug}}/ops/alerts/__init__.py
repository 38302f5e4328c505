"""When the service calls for help: Prometheus' rules, their proof, and where alerts go."""
