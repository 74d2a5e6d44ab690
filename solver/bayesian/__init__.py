"""Auctions with private costs: equilibrium bids, learned bids, and the interim regret that certifies both.

The public names are listed in ``solver/__init__.pyi``.
"""
