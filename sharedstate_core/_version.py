"""The version, in the one place where it is written; `make version` changes it and what has to follow.

It is read by the build, too, which loads this file alone: nothing is imported here.
"""

__version__ = "0.2.0"
