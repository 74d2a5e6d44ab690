"""Stand-ins for results that hold only the parts that a test reads, and pass for the real thing where types are checked."""

from solver import BestOffer, Provision
from solver.report.result import Result, Verdict


class Part:
    """Only those parts that are named."""

    def __init__(self, **parts):
        for name, value in parts.items():
            object.__setattr__(self, name, value)


class PartOfResult(Part, Result):
    pass


class PartOfVerdict(Part, Verdict):
    pass


def made_up_provision(provider, played, offered, share=0.1, change=1e-4):
    """A provider that plays so many tokens where its own best offer, and the market optimum, take others."""
    against = "over" if played > offered else "under" if played < offered else "equal"
    offers = (BestOffer("2", offered, against),)
    return Provision(provider, share, "1", "2", played, offered, offers, change, "", 0.0, 1e-6)
