"""Whether storage goes on from what was told of it, or has gone back: the guard of history, for every store.

A database can go back under a running server: a backup is restored, a replica that lags is promoted, a machine
without durable commits loses its power. Versions are then counted again, and (epoch, version) would name two states.

1. A head has a *version vector*: for each writer the last version that it made. A writer is a name under which one
   process writes to one collection. It makes each version once at the most: before it writes it makes sure,
   under the lock of its transaction, that storage goes on from what it remembers, and after any doubt it takes
   another name.
2. So a head goes on from an earlier one exactly if its vector says that the writer of the earlier version has made
   that version, or a later one.
3. A process remembers the store's epoch, and for each collection the head that it told of last. Whatever head it
   reads must go on from that. If not, it looks again under a lock, draws a new epoch and says so in the log. With the
   epoch no cursor of old is good any more, so everybody is brought to what storage holds now.
4. What was lost includes the last of our own commits, if it includes any. So a look at the heads always includes the
   head of that one, and some of the others that are remembered, in turn.
5. What was lost before the process began, only readers can know. The first of them who holds more than storage does, in
   the epoch with which the process began, is believed: later losses it sees by itself, so a reader can have everything
   sent to everybody once for each start, and no oftener.
6. What was lost in a collection of which a process has told nothing yet, it cannot see there. So each start leaves a
   mark in the store, and the marks are a history like that of a collection, `STARTS`: whatever is read of a collection
   for the first time, and each look, must go on from the marks of old. What is lost after that, the collection shows.
7. A collection that holds nothing may be *pruned*: its head goes, and the store's *floor* rises to its version, in one
   transaction. A collection without a head is at the floor, and begins there if it comes again: no version is counted
   twice. In its vector the writer `*` stands for anybody who made a version up to that one. So that no loss is taken
   for that, whoever prunes makes sure first that storage goes on from what was told of last.
8. Epochs remember those before them. One that does not know the epoch told of before has come from a backup, too.
"""
