"""Pages of graphs that open without being built by hand."""
