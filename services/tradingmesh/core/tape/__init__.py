"""Market data before it is published: what a tape may hold, what Alpaca's messages mean, a generated market, bars."""
