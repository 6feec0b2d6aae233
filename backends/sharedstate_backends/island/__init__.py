"""A backend that needs asyncio, within a server on trio."""
