"""What tests and tools put in the place of the world: clocks, sockets, brokers, and a desk to try the core at."""
