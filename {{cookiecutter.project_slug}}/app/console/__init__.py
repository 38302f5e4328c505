"""The pages for people: try a use case at /, run the service at /console. Pages read, actions write and ask why."""
