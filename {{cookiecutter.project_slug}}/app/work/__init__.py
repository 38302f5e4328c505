"""Work that outlives a request: jobs, ingestion, reviews, and what housekeeping repeats."""
