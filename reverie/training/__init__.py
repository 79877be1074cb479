"""How any network here is trained: trainer, schedule, weights on disk."""
