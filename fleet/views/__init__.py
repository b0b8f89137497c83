"""The garage's pages: they ask the garage and the shop, and say what they answered."""
