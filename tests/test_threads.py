"""Small matrices are worked on by one thread, and afterwards all is as before."""

import pytest
from threadpoolctl import threadpool_info

from nwb_mtm.threads import SMALL, threads_for


def blas() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize(("columns", "one"), [(0, True), (SMALL, True), (SMALL + 1, False)])
def test_small_matrices_take_one_thread_and_large_ones_all(columns: int, one: bool) -> None:
    before = blas()
    with threads_for(columns):
        inside = blas()
    assert inside == ([1] * len(before) if one else before)
    assert blas() == before
