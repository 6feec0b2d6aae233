"""One collection: its queue, its state, its authors and readers; nothing here knows about connections."""
