"""Named random streams: every random number has a name, and sharing a name is sharing the numbers.

A stream is derived from (master seed, scope, replicate, name) by hashing, never by counting, so adding an
arm moves no other arm's numbers. Who shares what, stated once (tested bitwise in tests/science/test_streams.py):

| name                  | scope      | used by                                                           |
|-----------------------|------------|-------------------------------------------------------------------|
| data                  | data set   | the draw of the data itself; every experiment on that data set    |
| split                 | experiment | training/validation split; all arms                               |
| order                 | experiment | batch order; all arms but those with an order of their own        |
| augment               | experiment | crops and flips; as order                                         |
| dropout               | experiment | random layers, masks drawn in training (supermask); as order      |
| init                  | experiment | initial weights; all arms whose weights are not a fresh draw      |
|                       |            | (`fresh-signed` takes their signs alone)                          |
| labels                | experiment | the permutation of a shuffled-labels experiment                   |
| .../copy              | experiment | an arm with an order of its own: order, augment, dropout          |
| criterion/<arm>/<lvl> | experiment | random numbers of a pruning criterion; <arm> is the one whose     |
|                       |            | levels the masks are found along                                  |
| method/<lvl>          | experiment | the seed that a method of the user's is given                     |
| reinit/<draw>         | experiment | every kind of fresh weights: they differ in scale or sign alone   |
| shuffle/<draw>        | experiment | the permutation of shuffled weights                               |
| mask/<draw>           | experiment | the positions of random masks                                     |
| scores                | experiment | the first scores of a mask that is learned, the same at all levels |

An experiment `paired_with` another takes that one's streams.
"""

import hashlib

import numpy as np


def stream_seed(master: int, scope: str, replicate: int, name: str) -> int:
    """A 64-bit seed. Master seed 0 is as good as any other."""
    text = f"lthbench|{master}|{scope}|{replicate}|{name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def stream(master: int, scope: str, replicate: int, name: str) -> np.random.Generator:
    """The generator of one named stream (PCG64: same numbers on every platform)."""
    return np.random.Generator(np.random.PCG64(stream_seed(master, scope, replicate, name)))
