"""``python -m solver.cli``: the program out of a source tree, where no ``ttc-games`` is installed."""

from solver.cli import main

main()
