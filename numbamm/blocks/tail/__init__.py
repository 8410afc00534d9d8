"""The ways to hold what the elimination of the head leaves: the tail of a model's factor.

One file each, ``<name>_tail.py``, behind the protocol of ``protocol.py``. A new file is found by
its name, without registration (``registry.py``); ``choice.py`` chooses.
"""
