"""What runs and watches the service: local runs, drills, load, alerts and the reference generator."""
