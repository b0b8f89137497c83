"""A stand-in for Stripe at API version 2026-10-28.endive, for a machine that cannot reach it."""
