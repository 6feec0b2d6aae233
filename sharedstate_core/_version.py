"""The single source of the version; `make version` changes it and everything that must follow.

The build reads it too, and loads this file alone: import nothing here.
"""

__version__ = "0.2.0"
