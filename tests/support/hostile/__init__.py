"""A crowd that means harm: random messages and connections of every wrong kind.

    python -m tests.support.hostile [messages] [connections] [--loop trio] [--seed 1]

Each message must be answered, by a reply or by a close frame that says why; each connection must end; afterwards the
server holds nothing of theirs. The program prints the waiting times of a client that behaves: before, while the crowd
is at another server, which tells what this machine alone makes it wait, and while it is at this one.
"""
