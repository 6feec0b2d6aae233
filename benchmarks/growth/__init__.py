"""How costs grow with what there is, and how long one client waits for what another one does."""
