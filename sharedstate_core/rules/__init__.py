"""Rules by path: who may read and change what. Pure data and functions; nothing here knows a connection.

`Rules.parse` reads the value of the configuration's key `rules`, a list of entries. The first entry whose `path`
matches a collection decides on it; if there is none, or the entry does not say, it is denied.
"""
