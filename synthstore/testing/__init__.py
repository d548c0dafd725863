"""Stores and damages for tests: what the fixtures of ``synthstore.testing.plugin`` give.

Written without the rest of synthstore, so that it can judge it: ``spelling`` and ``flat_bytes``
say once more how stores are spelt, ``stores`` builds healthy ones, ``damages`` is the table of
all that can happen to them. Nothing here is durable or careful: it breaks things on purpose.
"""
