"""Stand-ins for results that hold only the parts that a test reads, and pass for the real thing where types are checked."""

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
