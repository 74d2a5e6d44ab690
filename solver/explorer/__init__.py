"""The explorer: a local web page on the solver itself; ``ttc-games explore`` starts it. See docs/how-to/explore.md.

``state`` holds what a reader can change and ``changes`` how, ``engine`` solves it in the shapes of ``rows``, ``session`` says
when, ``charts`` and ``texts`` show it. ``app``, ``forms``, ``parts`` and ``server`` put it on a page: they alone need Panel.
"""
