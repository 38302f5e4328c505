"""What is in the image, and what must not be in the repository: bill of materials, audit, secrets, workflows."""
