"""The queue's door: Celery tasks that take an id and call one thing."""
