"""The answer of the real edge against the rule over rows that this package reads by itself."""
