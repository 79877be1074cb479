"""Controllers: their shape, agents in the real game, CMA-ES, the search and its scores."""
