"""Uncertainty of a finite benchmark, carried from its questions to the equilibrium, the optimum and the auction.

One job a file: ``intervals`` (one accuracy, one curve), ``resample`` (replicates of a market), ``replicates`` (all of
them solved in one call), ``bootstrap`` (the result, with intervals and probabilities), ``gaussian`` and ``more_samples``
(which provider to measure next). The public names are served by ``solver``.
"""
