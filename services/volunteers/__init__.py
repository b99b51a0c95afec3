"""volunteers promises: who people are stays in its vault, and every credited minute has a service behind it."""
