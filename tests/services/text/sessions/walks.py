"""Click paths through pages of known categories: walks on a graph whose links stay within a category more often than
chance, a few pages being linked from everywhere."""

import numpy as np

CATEGORIES = 8
PAGES = 400


def walks(seed: int, count: int = 4_000) -> tuple[list[list[str]], dict[str, int]]:
    """The sessions, and each page's category."""
    rng = np.random.default_rng(seed)
    category = rng.integers(CATEGORIES, size=PAGES)
    popularity = rng.pareto(1.3, PAGES) + 0.3
    links = []
    for page in range(PAGES):
        weight = popularity * np.where(category == category[page], 12.0, 0.6)
        weight[page] = 0
        links.append(rng.choice(PAGES, 12, replace=False, p=weight / weight.sum()))
    sessions = []
    for _ in range(count):
        page = int(rng.integers(PAGES))
        path = [page]
        for _ in range(int(rng.integers(2, 8))):
            page = int(rng.choice(links[page]))
            path.append(page)
        sessions.append([f"/page/{each}" for each in path])
    return sessions, {f"/page/{page}": int(each) for page, each in enumerate(category)}
