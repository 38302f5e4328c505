"""How fast one API process is, beside floors that do less: `make bench`, read docs/explanation/performance.md."""
