"""No docstring promises an error that nothing raises."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
hook = runpy.run_path(str(ROOT / "docs/hooks/promised_errors.py"))

KEPT = '''
from games.errors import InputError, refusal

class Shape:
    def area(self):
        """Area.

        Raises:
            InputError: none.
            ValueError: the same.
        """
        return self._area()

    def _area(self):
        raise InputError("none")

def by_another(shape: Shape):
    """Area.

    Raises:
        InputError: none.
    """
    return shape.area()

def made_elsewhere():
    """Area.

    Raises:
        InputError: none.
    """
    raise refusal()
'''
BROKEN = '''
from games.errors import InputError

class Circle:
    def area(self):
        return 1

def area(circle: Circle):
    """Area.

    Raises:
        InputError: none.
    """
    return circle.area()

def rounded(circle: Circle):
    """Area.

    Raises:
        InputError: none.
        PrecisionError: 32 bits.
    """
    if area(circle) < 0:
        raise InputError("negative")
'''


def test_every_promised_error_can_be_raised():
    """Before: the truthful logit market promised a PrecisionError and ran."""
    assert hook["broken_promises"](ROOT) == []


def test_promises_are_read_and_kept(tmp_path):
    """Of 200 and more in the packages; in a package of our own only those that nothing keeps are named."""
    promises = [each for each in hook["definitions"](ROOT).values() if each.promises]
    assert len(promises) > 200
    (tmp_path / "solver").mkdir()
    games = tmp_path / "games"
    games.mkdir()
    (games / "errors.py").write_text(
        "class InputError(ValueError): ...\n\ndef refusal() -> InputError:\n    return InputError()\n", "utf-8"
    )
    (games / "kept.py").write_text(KEPT, "utf-8")
    (games / "broken.py").write_text(BROKEN, "utf-8")
    assert hook["broken_promises"](tmp_path) == [
        "games.broken.area promises InputError",
        "games.broken.rounded promises PrecisionError",
    ]
