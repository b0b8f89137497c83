"""Tells people what happened, by mail: once per event, template and recipient."""
