"""What the law gives to people: to end contracts without an account, their data, plain words."""
