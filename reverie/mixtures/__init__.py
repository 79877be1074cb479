"""What do the components of the mixture dream? Dreams, scenes, associations, figures.

After Ellefsen, Martin and Torresen, "How do mixture density RNNs predict the future?"
(arXiv 1901.07859). `python -m reverie.mixtures` runs everything and writes figures and a JSON; the
notebooks show it step by step.
"""
