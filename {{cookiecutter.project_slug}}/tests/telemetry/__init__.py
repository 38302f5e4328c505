"""Traces, metrics and logs, read from outside: by a collector, by Prometheus' parser, as lines."""
