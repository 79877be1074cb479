"""Stage 7: recorded play imitated, measured, and played live."""
