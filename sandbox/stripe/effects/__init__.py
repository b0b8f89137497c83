"""What happens to several objects at once when money moves or time passes."""
