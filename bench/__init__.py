"""What the system can bear, measured on the machine at hand: `make bench`.

Each module is one table. What is measured are the processes of `make run`, on servers of their own.
"""
