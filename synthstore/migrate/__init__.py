"""A store to a new place, or into another layout: by a copy beside the target, or by one run.

A new place is built aside and renamed in when it is proven, so that the target is never half a
store. What is in the making says whose it is, and the same command goes on with it.
"""
