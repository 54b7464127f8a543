"""What a client may do, in bytes and seconds: the size of its headers and its body, how long it takes to send them, how
many requests it sends ahead, and how much of an answer it leaves unread.
"""

MOST_HEAD_BYTES = 65_536  # request line and headers
MOST_BODY_BYTES = 16 * 1024 * 1024
LARGE_BODY_BYTES = 65_536
MOST_STORED_BYTES = 512 * 1024 * 1024  # of large bodies, over all connections of a process
MOST_REFUSED_BYTES = 65_536  # of a body that is read although its headers are enough to refuse the request
MOST_PADDING = 8  # bytes of chunk sizes, extensions and trailers for each byte of a body, beyond MOST_HEAD_BYTES
MOST_AHEAD = 8  # requests that wait behind one that is being answered
HEAD_SECONDS = 30.0  # from the first byte of a request to the end of its headers
BODY_SECONDS = 60.0  # without a byte of the body
REQUEST_SECONDS = 600.0  # for all of it
# How long and how much more of a body that was refused is taken in: who writes into a closed connection never reads.
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * 1024 * 1024
SLOW_SECONDS = 120.0  # how long a client may leave unread what it was sent
