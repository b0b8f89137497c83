"""A car, as its own programmers would build it: it knows the edge's public contract and nothing of
the product behind it.
"""
