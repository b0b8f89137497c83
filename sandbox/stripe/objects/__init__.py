"""The shape of each Stripe object: one builder per object, and what it builds is what is sent."""
