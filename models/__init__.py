"""The networks, in Keras 3 for any backend; no files, no games, no flags."""
