"""Knows vehicles and delivers to each what billing decided."""
