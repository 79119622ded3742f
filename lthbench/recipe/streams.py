"""Named random streams: every random number has a name, and sharing a name is sharing the numbers.

A stream is derived from (master seed, scope, replicate, name) by hashing, never by counting, so adding an
arm moves no other arm's numbers. Who shares what, stated once (tested bitwise in tests/science/test_streams.py):

| name                  | scope      | used by                                                        |
|-----------------------|------------|----------------------------------------------------------------|
| data                  | data set   | the draw of the data itself; every experiment on that data set |
| split                 | experiment | training/validation split; all arms                            |
| order                 | experiment | batch order; all arms but dense-copy                           |
| augment               | experiment | crops and flips; all arms but dense-copy                       |
| dropout               | experiment | random layers, masks drawn in training (supermask); all arms   |
|                       |            | but dense-copy                                                 |
| init                  | experiment | initial weights; dense, dense-copy, ticket, lr-rewound,        |
|                       |            | fine-tuned, continued, rewound, one-shot, pruned-at-init,      |
|                       |            | shuffled, random-mask, constant, reinit-signs (signs),         |
|                       |            | transferred, pruned-at-init-shuffled, untrained,               |
|                       |            | untrained-constant, frozen, edge-popup, supermask              |
| labels                | experiment | the permutation of a shuffled-labels experiment                |
| .../copy              | experiment | dense-copy's own order, augment, dropout (SGD noise of LMC)    |
| criterion/<arm>/<lvl> | experiment | random numbers of a pruning criterion                          |
| reinit/<draw>         | experiment | reinit, reinit-rescaled, reinit-signs (they differ in scale,   |
|                       |            | or sign, alone), pruned-at-init-reinit, transferred-reinit     |
| shuffle/<draw>        | experiment | the permutation of the arm shuffled                            |
| mask/<draw>           | experiment | the positions of random-mask and pruned-at-init-shuffled       |
| scores                | experiment | the first scores of edge-popup, the same at every level        |

An experiment `paired_with` another takes that one's streams.
"""

import hashlib

import numpy as np


def seed(master: int, scope: str, replicate: int, name: str) -> int:
    """A 64-bit seed. Master seed 0 is as good as any other."""
    text = f"lthbench|{master}|{scope}|{replicate}|{name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def stream(master: int, scope: str, replicate: int, name: str) -> np.random.Generator:
    """The generator of one named stream (PCG64: same numbers on every platform)."""
    return np.random.Generator(np.random.PCG64(seed(master, scope, replicate, name)))
