"""What in a frame is rewarding: a critic, masks that it guides, and scores against exact truth."""
