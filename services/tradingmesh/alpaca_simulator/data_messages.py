"""Market data in Alpaca's words: what a trade, a quote and a bar look like, in REST answers and on the stream alike.

Prices are JSON numbers there, as Alpaca has them. What the tape does not know is constant: the exchange is IEX, the
tape C. Source: the schemas stock_trade, stock_quote and stock_bar of Alpaca's market data API.
"""

from typing import Any

from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.tape.bars import TradedBar

EXCHANGE = "V"
TAPE = "C"
_E4 = 10_000


def trade_body(trade: Trade, number: int) -> dict[str, Any]:
    """A trade without symbol and time; `number` is its id."""
    return {"i": number, "x": EXCHANGE, "p": trade.price_e4 / _E4, "s": trade.size, "c": ["@"], "z": TAPE}


def quote_body(quote: Quote) -> dict[str, Any]:
    """A quote without symbol and time."""
    return {
        "bx": EXCHANGE,
        "bp": quote.bid_e4 / _E4,
        "bs": quote.bid_size,
        "ax": EXCHANGE,
        "ap": quote.ask_e4 / _E4,
        "as": quote.ask_size,
        "c": ["R"],
        "z": TAPE,
    }


def bar_body(traded: TradedBar) -> dict[str, Any]:
    """A bar without symbol and time."""
    bar = traded.bar
    return {
        "o": bar.open_e4 / _E4,
        "h": bar.high_e4 / _E4,
        "l": bar.low_e4 / _E4,
        "c": bar.close_e4 / _E4,
        "v": bar.volume,
        "n": traded.trades,
        "vw": traded.vwap_e4 / _E4,
    }
