from .first_score import FirstScore as FirstScore
from .outcome import Mechanism as Mechanism
from .outcome import Outcome as Outcome
from .outcome import settle as settle
from .pay_per_compute import PayPerComputeEquilibrium as PayPerComputeEquilibrium
from .registry import MECHANISMS as MECHANISMS
from .registry import mechanism as mechanism
from .second_score import SecondScore as SecondScore
