"""Numeric ids for vectors that an index is to get."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from synthstore.checks.ownership import SEQUENTIAL_BELOW
from synthstore.model.embedding import IdArray
from synthstore.model.entries import columns_of
from synthstore.model.ids import numeric_id
from synthstore.model.numbers import numeric_ids


def numbers_for(added: Sequence[str], entries: Mapping[str, int], old: IdArray) -> IdArray:
    """A number for each of the names ``added``: the mapping's if it is a counted one, else md5's.

    ``entries`` is the mapping that was believed, ``old`` what the index holds already.
    """
    if not entries:
        return numeric_ids(added)
    names, mapped_to = columns_of(entries)
    added_names = set(added)
    each = zip(names, mapped_to.data, strict=True)
    own = {name: number for name, number in each if name in added_names}
    given = np.array(list(own.values()), dtype=np.int64)
    claims = Counter(mapped_to[np.isin(mapped_to, given)].tolist())
    taken = set(given[np.isin(given, old)].tolist())
    numbers = []
    for name in added:
        mapped = own.get(name, -1)
        counted = 0 <= mapped < SEQUENTIAL_BELOW and claims[mapped] == 1
        number = mapped if counted and mapped not in taken else numeric_id(name)
        taken.add(number)
        numbers.append(number)
    return np.array(numbers, dtype=np.int64)
