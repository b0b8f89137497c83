"""The embedded servers and their supervisor: what `make run` and the tests start for themselves.

For development and evaluation only. Nothing here knows what the product does.
"""
