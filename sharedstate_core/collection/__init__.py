"""One collection: its order, its state, who asks and who hears; nothing here knows a connection."""
