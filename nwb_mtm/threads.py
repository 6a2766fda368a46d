"""How many threads linear algebra takes: one for small matrices, for which several only wait for each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController

SMALL = 500  # columns; on two busy cores one thread was 3 to 20 times as quick below this


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def threads_for(columns: int = 0) -> Iterator[None]:
    """One thread for matrices of so few columns, as many as before for larger ones.

    >>> with threads_for(100):
    ...     sum(pool["num_threads"] for pool in ThreadpoolController().select(user_api="blas").info()[:1]) <= 1
    True
    """
    if columns > SMALL:
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield
