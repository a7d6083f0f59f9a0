"""How tests ask an operation of the stats service."""

from collections.abc import Callable
from typing import Any

Ask = Callable[..., dict[str, Any]]
"""The fields of a JSON body to the answer, which must be a 200: the fixture `ask`, at the module's fixture `url`."""
