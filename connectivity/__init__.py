"""The composition root: puts billing, fleet and the people's pages together; nothing imports it."""
