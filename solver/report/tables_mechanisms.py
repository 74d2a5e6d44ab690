"""The table of the comparison of mechanisms."""

from collections.abc import Sequence

from solver.report.mechanisms import lines
from solver.report.result import Result
from solver.report.tables import BETA, SCENARIO, Column, Table

FIGURES = (
    "user_value", "consumer_surplus", "profits", "platform", "welfare", "welfare_with_tastes", "price", "served", "tokens",
    "max_regret",
)  # fmt: skip
GAINS = ("welfare_gain", "choice_noise", "incentives")


def mechanisms(results: Sequence[Result]) -> Table:
    """One row per market, β and mechanism: who gets what, who loses against the first, what gaming gains."""
    columns = (
        SCENARIO,
        BETA,
        Column("mechanism", "Mechanism"),
        Column("user_value", "Users", "money"),
        Column("user_gain", "Users' gain", "money"),
        Column("profits", "Providers", "money"),
        Column("platform", "Platform", "money"),
        Column("welfare", "Welfare", "money"),
        Column("served", "Served", "percent"),
        Column("misreport_gain", "Gaming gains", "money"),
        Column("losers", "Who loses", "losers"),
        Column("note", "Note", "long"),
        Column("consumer_surplus", "", "money"),
        Column("welfare_with_tastes", "", "money"),
        Column("price", "", "money"),
        Column("tokens", "", "plain"),
        Column("max_regret", "", "tiny"),
        Column("welfare_gain", "", "money"),
        Column("choice_noise", "", "money"),
        Column("incentives", "", "money"),
    )
    rows = []
    for result in results:
        for verdict in result.verdicts:
            block = result.mechanisms[result.mechanisms["rationality"] == verdict.rationality]
            pairs = list(zip(block.to_dict("records"), lines(result.mechanisms, verdict.rationality), strict=True))
            rested = pairs[0][1].exists
            for number, (row, line) in enumerate(pairs):
                figures = {name: row[name] if line.exists else None for name in FIGURES}
                figures |= {name: row[name] if line.exists and rested else None for name in GAINS}
                told = {"misreport_gain": line.gaming} if line.exists else {}
                told |= {"user_gain": line.user_gain} if line.exists and rested else {}
                first = None if number == 0 or not (line.exists and rested) else line.losers
                rows.append(
                    {"scenario": result.name, "rationality": verdict.rationality, "mechanism": line.name}
                    | {"user_gain": None, "misreport_gain": None, "losers": first, "note": line.note}
                    | figures
                    | told
                )
    caption = "Mechanisms side by side; a party loses if it gets less than in the first row"
    return Table("mechanisms", caption, columns, tuple(rows))
