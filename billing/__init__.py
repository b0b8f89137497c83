"""Decides who has paid for what; has never heard of a car."""
