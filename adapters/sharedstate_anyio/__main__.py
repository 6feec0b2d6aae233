"""`python -m sharedstate_anyio`: the server's command."""

from .entry import serve

serve()
