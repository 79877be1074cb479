"""One table for any world model: how far its dreams can be trusted."""
