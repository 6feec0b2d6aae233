"""Who a token names: what a connection shows, what verifies it, and what comes of it.

`Authenticator` is the whole of it, `credentials` says what to ask it. Nothing here decides what somebody may do.
"""

from .authenticator import Authenticator
from .credentials import credentials
from .identity import AuthRequest, Identity, Unauthenticated

__all__ = ["AuthRequest", "Authenticator", "Identity", "Unauthenticated", "credentials"]
