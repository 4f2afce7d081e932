"""When Python looks for garbage in cycles: not where hundreds of thousands of objects are made that all stay."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def not_looked_for() -> Iterator[None]:
    """Within it Python does not look: torch is imported in five sixths of the time.

    What is there afterwards, where that was the first import of torch, is never looked through later.
    """
    was_enabled, is_first = gc.isenabled(), "torch" not in sys.modules
    gc.disable()
    try:
        yield
    finally:
        if is_first:
            gc.freeze()
        if was_enabled:
            gc.enable()
