"""Fuzzing: files mutated at random, read by everything that reads them.

``python -m tests.fuzz --help`` runs it at length; the ordinary tests run a few of each target.

A *target* is a kind of file: what whole ones look like, made by code, and a trial, which gives the
product a mutated one and names what came of it. Trial ``n`` of a target is always the same bytes.
Whatever they are, the product must find, refuse or accept them: a traceback, a crash, a trial over
ten seconds, over 512 MB, or a change to any file outside the trial's folder is a failure. A system
call filter watches for the last, the kernel's alarm for the time.

**A target more** is a subclass of ``grounds.Target`` in ``targets.TARGETS``: ``seeds`` and
``attempt``.
"""
