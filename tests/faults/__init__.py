"""Fault suite: every mutating system call of a command is cut, torn, shortened or made to fail.

``python -m tests.faults --help`` runs it at length; the ordinary tests run a part of it.

A *point* is one mutating call below the arena, counted over all threads and children of the
command. At each point one fault is set off, and then the question is always the same: is every
file what it was or what it was to become, is nothing lost, and does the next ``repair`` end where
an undisturbed command would have ended? ``checker``, ``packs`` and ``tests.oracle`` answer without
a line of the product's code. Where root may mount, the power is cut at every point as well, on
real file systems (``disk``). Bugs planted on purpose (``toy``, ``mutants``) must be found, so that
a blunt harness fails its own tests.

**A product more** is a ``Scenario`` more: a function that builds what the command meets at
``arena/store`` (anything else that it needs beside that), the command, and what an operator does
next, each step with what it must lead to. A command that works by runs needs nothing else
(``products.repairing``); one that does not says in its ``judgement`` what counts and what is
promised (``backups.RESTORE``). A module of scenarios is listed in ``registry.PRODUCTS``; with that
the table, the sample in the ordinary tests, the lock and the power cuts include it.

Not seen: sectors lost without a word, stores through memory maps beyond their creation, and
anything but x86-64 Linux.
"""
