"""Traces, metrics and logs: what the service tells its operators, and never what people wrote to it."""
