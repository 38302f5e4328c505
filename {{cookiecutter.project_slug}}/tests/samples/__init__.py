"""Two small use cases for tests of the platform; the shipped samples may have been left out."""
