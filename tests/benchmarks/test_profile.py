from benchmarks.profile import layer, shares
from benchmarks.servers import ROOT

SITE = "/x/lib/python3.11/site-packages"


def test_frames_belong_to_vernier_s_modules_or_to_libraries() -> None:
    assert layer("answer (gateway/caching.py:10)") == "gateway/caching"
    assert layer(f"answer ({ROOT}/shared/cache/store.py:10)") == "shared/cache/store"
    assert layer(f"shared ({SITE}/other/shared/x.py:1)") == "Python"
    assert layer("run (uvicorn/protocols/http/httptools_impl.py:1)") == "uvicorn"
    assert layer("dumps (json/__init__.py:1)") == "Python"


def test_python_s_own_work_counts_for_who_asked_for_it() -> None:
    stacks = [
        "main (gateway/__main__.py:1);run (asyncio/runners.py:1);dumps (json/__init__.py:1) 2",
        "main (gateway/__main__.py:1);answer (gateway/caching.py:1);sha (hashlib.py:2) 6",
        "start (runpy.py:1) 2",
    ]
    assert shares(stacks) == {"gateway/caching": 0.6, "event loop and kernel": 0.2, "Python": 0.2}
    assert shares([]) == {}
