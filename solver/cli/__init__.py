"""The command line ``ttc-games``: what the libraries do, on bundled markets or on the user's own two CSV files.

Importing this package loads nothing heavy, so that ``ttc-games --help`` answers at once: every command imports what it
needs when it runs.
"""

from solver.cli.app import app as app
from solver.cli.app import main as main
