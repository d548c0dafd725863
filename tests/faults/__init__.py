"""Fault suite: every mutating system call of a command is cut, torn, shortened or made to fail.

``python -m tests.faults --help`` runs it at length; the ordinary tests run a part of it.

A *point* is one mutating call below the arena, counted over all threads and children of the
command. At each point one fault is set off, and then the question is always the same: is every
file what it was or what it was to become, is nothing lost, and does the next ``repair`` end where
an undisturbed command would have ended? ``checker`` and ``tests.oracle`` answer without a line of
the product's code. Bugs planted on purpose (``toy``, ``mutants``) must be found, so that a
blunt harness fails its own tests.

Not seen: power cuts (only killed processes and failed calls), stores through memory maps beyond
their creation, and anything but x86-64 Linux.
"""
