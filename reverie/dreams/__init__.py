"""Dreams of the MDN-RNN: the compiled loop, its gymnasium environments, the calibration of ends."""
