"""What else could answer the check, each written as one would who writes it straightforwardly.

All of them are asked the same requests. None of them is part of the product.
"""
