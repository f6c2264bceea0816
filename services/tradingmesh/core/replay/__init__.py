"""The whole way of a tick in one process, over a tape."""
