"""Every state of the owners' pages, with made-up data, for staff and tests to look at."""
