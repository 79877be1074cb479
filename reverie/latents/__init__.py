"""Episodes as codes: encoding, storage, windows to train on."""
