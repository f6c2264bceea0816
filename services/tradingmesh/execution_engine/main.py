"""The execution-engine: approved signals -> orders at Alpaca -> fills, on disk before they are told."""

from tradingmesh.adapters.alpaca_trading_broker import AlpacaAccount, AlpacaBroker
from tradingmesh.adapters.outbox_sqlite import Outbox
from tradingmesh.contract import Mode
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.runtime.broker_urls import broker_urls
from tradingmesh.runtime.component import Context, Service

OUTBOX = "outbox.db"


def build(context: Context) -> Service:
    """The execution engine at the manifest's broker. Raises `JournalError` where its outbox cannot be trusted."""
    settings = context.settings
    urls = broker_urls(settings, context.spec)
    account = AlpacaAccount(
        key_id=settings.apca_api_key_id,
        secret_key=settings.apca_api_secret_key.get_secret_value(),
        trading_url=urls.trading,
        stream_url=urls.trading_stream,
        paper=context.spec.mode is not Mode.LIVE,
    )
    outbox = Outbox(context.data_dir / OUTBOX, context.clock.now_ns())
    broker = AlpacaBroker(account, context.spec.broker, context.clock, context.metrics)
    return ExecutionEngine(context, broker, outbox)
