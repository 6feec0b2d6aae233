"""Whether storage goes on from what was reported of it, or has gone back: the guard of history, for every store.

A database can go back under a running server: a backup is restored, a lagging replica is promoted, a machine without
durable commits loses power. Versions are then used again, and (epoch, version) would name two states.

1. A head has a *version vector*: for each writer the last version that it made. A writer is a name under which one
   process writes to one collection. It makes each version at most once: before it writes it makes sure, under the lock
   of its transaction, that storage goes on from what it remembers, and after any doubt it takes another name.
2. So a head goes on from an earlier one if and only if, by its vector, the writer of the earlier version has made that
   version or a later one.
3. A process remembers the store's epoch, and for each collection the head that it reported last. Every head that it
   reads must go on from that. If one does not, it looks again under a lock, draws a new epoch and logs it. The new
   epoch invalidates every earlier cursor, so everybody is brought to what storage holds now.
4. If any of our own commits was lost, the latest one was. So a look at the heads always includes the head of that one,
   and some of the other remembered ones, in turn.
5. Only readers can know what was lost before the process began. The first reader that holds more than storage does, in
   the epoch with which the process began, is believed: the process notices later losses by itself, so a reader can have
   everything sent to everybody at most once per start.
6. In a collection of which a process has reported nothing yet it cannot see a loss. So each start leaves a mark in the
   store, and the marks form a history like that of a collection, `STARTS`: the first read of a collection, and each
   look, must go on from the earlier marks. Later losses show in the collection itself.
7. An empty collection may be *pruned*: its head is deleted, and the store's *floor* rises to its version, in one
   transaction. A collection without a head is at the floor, and begins there if it is used again, so no version is used
   twice. In its vector the writer `*` stands for everybody who made a version up to that one. So that no loss is
   mistaken for pruning, storage must go on from what was last reported before anything is pruned.
8. A store remembers its former epochs. One that does not know the epoch last reported has also come from a backup.
"""
