"""Forms: structured answers that stream, a route with a classifier, and a person at the ladder's end."""
