"""A game and its dream in the browser: `python -m reverie.play`."""
