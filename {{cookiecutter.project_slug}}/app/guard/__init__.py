"""What may pass: clean input, masked personal data, no leaks on the way out."""
