"""The broker that stands in for Alpaca: same REST paths, websockets, bodies and codes, filled from a tape.

`exchange` decides (pure: no socket, no clock, no randomness); `trading_rest` and `trading_stream` speak Alpaca's
protocol; `market`, `data_rest` and `data_stream` serve the tape's market data; `app` puts them on one port.
"""
