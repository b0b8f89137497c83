"""What is too long for `make test`: `make nightly` runs it."""
