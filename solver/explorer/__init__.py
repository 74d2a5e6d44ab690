"""The explorer: a local web page on the solver itself; ``ttc-games explore`` starts it. See docs/how-to/explore.md.

``state`` holds what a reader can change, ``engine`` solves it, ``charts`` draws it, ``app`` puts it on a page: the one file
that needs Panel.
"""
