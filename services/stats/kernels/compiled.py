"""Functions compiled by numba, at import or out of a cache beside their source, which may be read-only."""

import contextlib
import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core.caching import CompileResultCacheImpl, FunctionCache, InTreeCacheLocator

F = TypeVar("F", bound=Callable[..., Any])


def helper(function: F) -> F:
    """Compiled as part of whatever calls it."""
    return cast(F, njit(nogil=True, error_model="numpy")(function))


def compiled(signature: str) -> Callable[[F], F]:
    """Compiled for one signature when its module is imported, unless the cache has it. It lets go of the GIL."""

    def compile_or_load(function: F) -> F:
        dispatcher: Any = helper(function)
        dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]
        dispatcher.compile(signature)
        dispatcher.disable_compile()
        return cast(F, dispatcher)

    return compile_or_load


@cache
def _sources(folder: Path) -> str:
    """A digest of the kernels of a folder: what one compiles to depends on the helpers in the other files."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()


class _Locator(InTreeCacheLocator):
    """`__pycache__` beside the source. Numba's own passes over a folder that cannot be written to."""

    def get_source_stamp(self) -> str:
        return _sources(Path(self._py_file).parent)

    def ensure_cache_path(self) -> None:
        with contextlib.suppress(OSError):
            Path(self._cache_path).mkdir(exist_ok=True)


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_Locator]  # noqa: RUF012 - as numba declares it


class _Cache(FunctionCache):
    _impl_class = _CacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """None where there is nothing that can be read: numba then compiles, and what was torn is written anew."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # noqa: BLE001 - whatever a torn file unpickles to must not keep the service from starting
            with contextlib.suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]
