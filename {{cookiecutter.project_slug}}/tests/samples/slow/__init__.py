"""Says one word after another, slowly: for everything that may happen meanwhile."""
