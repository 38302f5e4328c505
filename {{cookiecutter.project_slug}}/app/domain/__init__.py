"""The nouns: who asks, what a turn is, what a use case promises. No I/O here."""
