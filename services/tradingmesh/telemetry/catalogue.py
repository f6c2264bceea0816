"""Every metric of the mesh. `Metrics` makes no other, so this is what there is; `docs/metrics.md` is written from it.

Names follow Prometheus: base units (seconds, bytes, dollars) last, counters end in `_total` (added where it is shown).
A count of what can be counted has no unit but its noun.
"""

from tradingmesh.contract import Component
from tradingmesh.telemetry.families import Family, Type, by_name

_COUNTER, _GAUGE, _HISTOGRAM = Type.COUNTER, Type.GAUGE, Type.HISTOGRAM

_FEED = Component.MARKET_DATA_FEED
_STORE = Component.MARKET_DATA_STORE
_FEATURES = Component.FEATURE_ENGINE
_GENERATOR = Component.SIGNAL_GENERATOR
_RISK = Component.RISK_MANAGER
_ENGINE = Component.EXECUTION_ENGINE
_PROCESSOR = Component.FILL_PROCESSOR
_COLLECTOR = Component.METRICS_COLLECTOR
_SIMULATOR = Component.ALPACA_SIMULATOR
_ALL = tuple(Component)
_MESH = tuple(component for component in Component if component is not _SIMULATOR)
_SUBSCRIBERS = (_STORE, _FEATURES, _GENERATOR, _RISK, _COLLECTOR)
_CONNECTED = (_FEED, _ENGINE)

_EVERYWHERE = (
    Family("component_info", _GAUGE, "Always 1: which version runs in which mode.", _ALL, ("mode", "version")),
    Family("events_sent", _COUNTER, "System events sent.", _MESH),
    Family("events_dropped", _COUNTER, "System events dropped: nobody took them in time.", _MESH),
    Family("manifests_refused", _COUNTER, "Changed manifests that were wrong: the one before holds.", _ALL),
    Family("manifest_generation", _GAUGE, "Generation of the manifest in force.", _ALL),
    Family("links_made", _COUNTER, "Connections made, anew or again.", _MESH, ("channel",)),
    Family("links_lost", _COUNTER, "Connections that ended, whichever side ended them.", _MESH, ("channel",)),
    Family("links_renewed", _COUNTER, "Connections made again after a peer broke the rules.", _MESH, ("channel",)),
    Family("handshakes_failed", _COUNTER, "Peers that did not speak ZeroMQ right.", _MESH, ("channel",)),
    Family(
        "messages_malformed",
        _COUNTER,
        "Messages that could not be read, dropped.",
        (*_SUBSCRIBERS, _ENGINE, _PROCESSOR),
        ("channel",),
    ),
    Family(
        "messages_received",
        _COUNTER,
        "Messages received.",
        (*_SUBSCRIBERS, _ENGINE),
        ("channel",),
    ),
    Family("trading_state_age_seconds", _GAUGE, "Since the trading state was last heard.", (_ENGINE, _COLLECTOR)),
    Family("stage_latency_seconds", _HISTOGRAM, "How long a stage took, see below.", _MESH, ("stage",)),
)

_MARKET_DATA = (
    Family("messages_published", _COUNTER, "Messages published.", (_FEED, _FEATURES)),
    Family(
        "messages_unpublished",
        _COUNTER,
        "Messages left out: a subscriber stood still for too long.",
        (_FEED, _FEATURES),
    ),
    Family("subscriptions_heard", _COUNTER, "Subscriptions to a topic, by whoever joined.", (_FEED, _FEATURES)),
    Family("snapshots_sent", _COUNTER, "Last values sent again for late joiners.", (_FEED, _FEATURES)),
    Family("messages_missed", _COUNTER, "Messages missed, by the sequences.", _SUBSCRIBERS, ("channel",)),
    Family("messages_stale", _COUNTER, "Messages not newer than what was seen, dropped.", _SUBSCRIBERS, ("channel",)),
    Family(
        "messages_late",
        _COUNTER,
        "Messages handled more than a second after publication.",
        _SUBSCRIBERS,
        ("channel",),
    ),
    Family(
        "slow_alarms",
        _COUNTER,
        "Times it was told that messages were late or missed.",
        _SUBSCRIBERS,
        ("channel",),
    ),
    Family(
        "lag_seconds",
        _GAUGE,
        "How long ago what was handled last had been published.",
        _SUBSCRIBERS,
        ("channel",),
    ),
    Family(
        "tick_age_seconds",
        _GAUGE,
        "Since the newest message of a symbol, or since the start where none came.",
        (_FEED, *_SUBSCRIBERS),
        ("channel", "symbol"),
    ),
    Family("stream_messages_waiting", _GAUGE, "Messages of Alpaca's stream, not published yet.", (_FEED,)),
    Family("ticks_refused", _COUNTER, "Market data messages that do not fit, left out.", (_FEED, _RISK)),
    Family("stream_connections", _COUNTER, "Connections to a stream of Alpaca's made.", _CONNECTED, ("stream",)),
    Family("stream_failures", _COUNTER, "Connections to it not made, or lost.", _CONNECTED, ("stream",)),
    Family("stream_errors", _COUNTER, "Errors that the stream's server told.", (_FEED,), ("code",)),
    Family("events_stored", _COUNTER, "Trades, quotes, bars and feature vectors stored.", (_STORE,), ("kind",)),
    Family("spool_flushes", _COUNTER, "Times the buffer was written to the spool.", (_STORE,)),
    Family("store_write_failures", _COUNTER, "Times writing failed; it is tried again.", (_STORE,)),
    Family(
        "store_backlog_bytes", _GAUGE, "Waiting in memory, and in the spool to become Parquet.", (_STORE,), ("where",)
    ),
    Family("store_events_dropped", _COUNTER, "Events that found no room.", (_STORE,)),
)

_SIGNALS = (
    Family("signals", _COUNTER, "Signals that strategies gave.", (_GENERATOR,)),
    Family("signals_approved", _COUNTER, "Signals approved and handed to the execution engine.", (_GENERATOR,)),
    Family("signals_refused", _COUNTER, "Signals refused, by check.", (_GENERATOR,), ("check",)),
    Family("signals_dropped", _COUNTER, "Signals refused because too many waited for their check.", (_GENERATOR,)),
    Family("signals_waiting", _GAUGE, "Signals without an answer yet.", (_GENERATOR,)),
    Family("strategies_stopped", _COUNTER, "Strategies that raised, and are told of nothing more.", (_GENERATOR,)),
    Family("risk_answers_late", _COUNTER, "Answers that came after their request was given up.", (_GENERATOR, _ENGINE)),
    Family("risk_timeouts", _COUNTER, "Risk checks without an answer in time: refused.", (_GENERATOR, _ENGINE)),
)

_RISK_MANAGER = (
    Family("risk_checks", _COUNTER, "Risk checks by what came of them.", (_RISK,), ("check", "result")),
    Family("reservations", _GAUGE, "Orders approved and not ended.", (_RISK,)),
    Family("breaker_state", _GAUGE, "Breaker: 0 Closed, 1 HalfOpen, 2 Open; -1 unknown.", (_RISK, _COLLECTOR)),
    Family("trading_state", _GAUGE, "Trading: 0 Active, 1 Reducing, 2 Halted; -1 unknown.", (_COLLECTOR,)),
    Family("ledger_cash_dollars", _GAUGE, "The ledger's cash.", (_RISK,)),
    Family("ledger_equity_dollars", _GAUGE, "Cash and what the positions are worth at their marks.", (_RISK,)),
    Family("ledger_realised_dollars", _GAUGE, "Profit realised since the start.", (_RISK,)),
    Family("ledger_unrealised_dollars", _GAUGE, "Profit of the open positions at their marks.", (_RISK,)),
    Family("ledger_day_profit_dollars", _GAUGE, "Profit since the day began.", (_RISK,)),
    Family("ledger_gross_notional_dollars", _GAUGE, "What all positions are worth, long and short added.", (_RISK,)),
    Family("ledger_position_quantity", _GAUGE, "Shares held, negative where short.", (_RISK,), ("symbol",)),
    Family("ledger_differing", _GAUGE, "Symbols of which the broker has another position than the ledger.", (_RISK,)),
    Family("ledger_unquoted", _GAUGE, "Symbols that are held and not quoted: their worth does not move.", (_RISK,)),
    Family("clock_steps", _COUNTER, "How often the wall clock was set.", (_RISK,)),
    Family("limits_taken", _COUNTER, "Manifests whose limits were taken while it ran.", (_RISK,)),
    Family("control_denied", _COUNTER, "Commands without the right token.", (_RISK,)),
    Family("closing_orders", _COUNTER, "Closing orders handed to the execution engine.", (_RISK,)),
    Family("closing_orders_undelivered", _COUNTER, "Closing orders that no engine took.", (_RISK,)),
    Family("journal_records", _COUNTER, "Records written to the journal.", (_RISK,)),
    Family("journal_snapshots", _COUNTER, "Snapshots written to the journal.", (_RISK,)),
    Family("journal_failures", _COUNTER, "Writes to the journal that failed; they are repeated.", (_RISK,)),
    Family("journal_compactions_failed", _COUNTER, "Times that the archive took no records.", (_RISK,)),
    Family("journal_writable", _GAUGE, "1 while the journal can be written, else 0.", (_RISK,)),
    Family("journal_records_unwritten", _GAUGE, "Records that wait to be written.", (_RISK,)),
    Family("reports_answered", _COUNTER, "Booked reports answered.", (_RISK,)),
    Family("reports_untaken", _COUNTER, "Reports dropped while the journal cannot be written.", (_RISK,)),
    Family("report_answers_dropped", _COUNTER, "Answers to fill processors that are gone.", (_RISK,)),
    Family("report_gaps", _GAUGE, "Lines of reports that wait for one for too long.", (_RISK,)),
)

_EXECUTION_ENGINE = (
    Family("signals_received", _COUNTER, "Approved signals received.", (_ENGINE,)),
    Family("orders_open", _GAUGE, "Orders not closed.", (_ENGINE,), ("status",)),
    Family("order_events", _COUNTER, "Events of orders.", (_ENGINE,), ("type",)),
    Family("order_notices", _COUNTER, "Oddities of orders, by kind.", (_ENGINE,), ("kind",)),
    Family("cancels_asked", _COUNTER, "Cancels asked for because trading was stopped.", (_ENGINE,)),
    Family("fills_seen", _COUNTER, "Fills heard of for the first time, by stream or by asking.", (_ENGINE,)),
    Family("fills_duplicate", _COUNTER, "Fills heard of again, not booked again.", (_ENGINE,)),
    Family("engine_fenced", _GAUGE, "1 where another engine has taken over.", (_ENGINE,)),
    Family("broker_in_sync", _GAUGE, "1 while the order stream listens and orders agree.", (_ENGINE,)),
    Family("broker_differing", _GAUGE, "Positions (and cash) not as the broker has them.", (_ENGINE,)),
    Family("broker_differences", _COUNTER, "What reconciliations found, by kind.", (_ENGINE,), ("kind",)),
    Family("broker_reconciles", _COUNTER, "Reconciliations with the broker.", (_ENGINE,), ("result",)),
    Family("broker_reconciled_age_seconds", _GAUGE, "Since the last reconciliation; -1 before one.", (_ENGINE,)),
    Family("broker_calls", _COUNTER, "Calls to the broker's API.", (_ENGINE,), ("call", "outcome")),
    Family(
        "broker_calls_refused",
        _COUNTER,
        "Calls not made: breaker open, or no time to wait for the rate.",
        (_ENGINE,),
    ),
    Family(
        "broker_calls_retried",
        _COUNTER,
        "Calls made again because the answer was lost or the rate limited.",
        (_ENGINE,),
    ),
    Family("broker_rate_limited", _COUNTER, "Calls that the broker refused for their rate (429).", (_ENGINE,)),
    Family("broker_rate_waits", _COUNTER, "Calls that waited so as not to be refused for their rate.", (_ENGINE,)),
    Family(
        "broker_api_breaker",
        _GAUGE,
        "Breaker round the broker's API: 0 closed, 1 half-open, 2 open.",
        (_ENGINE,),
    ),
    Family("broker_api_breaker_trips", _COUNTER, "How often the breaker round the broker's API opened.", (_ENGINE,)),
    Family("outbox_backlog", _GAUGE, "Reports not acknowledged yet.", (_ENGINE,)),
    Family("reports_pushed", _COUNTER, "Reports pushed to the fill processors, repetitions included.", (_ENGINE,)),
    Family("reports_redelivered", _COUNTER, "Reports pushed again because no ack came in time.", (_ENGINE,)),
    Family("reports_acked", _COUNTER, "Reports acknowledged.", (_ENGINE,)),
    Family("reports_stuck", _GAUGE, "Reports pushed again and again without an ack.", (_ENGINE,)),
    Family(
        "reports_wanted",
        _COUNTER,
        "Reports that the risk manager has lost, asked for and sent again.",
        (_RISK, _ENGINE),
    ),
    Family("acks_foreign", _COUNTER, "Acks of reports that were not outstanding.", (_ENGINE,)),
)

_FILLS = (
    Family("reports_pulled", _COUNTER, "Reports pulled, repetitions included.", (_PROCESSOR,)),
    Family("reports_invalid", _COUNTER, "Reports that cannot be valued, handed on as they are.", (_PROCESSOR,)),
    Family("reports_unreadable", _COUNTER, "Reports that cannot be read, handed on as their bytes.", (_PROCESSOR,)),
    Family(
        "reports_not_taken",
        _COUNTER,
        "Reports left to be sent again: nobody to send to, or too many.",
        (_PROCESSOR,),
    ),
    Family("reports_applied", _COUNTER, "Reports that the risk manager applied for the first time.", (_PROCESSOR,)),
    Family("reports_repeated", _COUNTER, "Reports that it had applied already.", (_PROCESSOR,)),
    Family("reports_set_aside", _COUNTER, "Reports that cannot be booked, kept with a reason.", (_PROCESSOR, _RISK)),
    Family("reports_outstanding", _GAUGE, "Reports without an answer.", (_PROCESSOR,)),
)

_WATCHING = (
    Family("alerts", _COUNTER, "What a person must look at, by kind.", (_COLLECTOR,), ("kind",)),
    Family("system_events", _COUNTER, "System events heard.", (_COLLECTOR,), ("source", "type")),
    Family("fills_booked", _COUNTER, "Fills booked, by symbol.", (_COLLECTOR,), ("symbol",)),
    Family("symbols_left_out", _COUNTER, "Events of more symbols than there are series for.", (_COLLECTOR,)),
    Family("position_quantity", _GAUGE, "Position as last told.", (_COLLECTOR,), ("symbol",)),
    Family("page_watchers", _GAUGE, "Who watches the live page.", (_COLLECTOR,)),
    Family("page_watchers_slow", _COUNTER, "Watchers of the live page let go: they took nothing.", (_COLLECTOR,)),
    Family("page_watchers_refused", _COUNTER, "Watchers of the live page sent away: too many.", (_COLLECTOR,)),
)

_OF_THE_SIMULATOR = (
    Family("requests_served", _COUNTER, "HTTP requests answered.", (_SIMULATOR,)),
    Family("requests_refused", _COUNTER, "HTTP requests answered with an error.", (_SIMULATOR,)),
    Family(
        "faults_injected",
        _COUNTER,
        "Messages and requests that a fault met, and connections cut or refused.",
        (_SIMULATOR,),
        ("what", "where"),
    ),
    Family("faults_hurried", _COUNTER, "Messages sent before they were due: too many were held back.", (_SIMULATOR,)),
    Family("trade_updates_sent", _COUNTER, "Trade updates queued for a client.", (_SIMULATOR,)),
    Family("stream_clients", _GAUGE, "Clients of the trade_updates stream.", (_SIMULATOR,)),
    Family("stream_clients_cut_off", _COUNTER, "Stream clients cut off for reading too slowly.", (_SIMULATOR,)),
    Family("tape_events_played", _COUNTER, "Events of the tape played so far.", (_SIMULATOR,)),
    Family("simulator_orders_open", _GAUGE, "Orders that can still trade.", (_SIMULATOR,)),
)

FAMILIES = by_name(
    (
        *_EVERYWHERE,
        *_MARKET_DATA,
        *_SIGNALS,
        *_RISK_MANAGER,
        *_EXECUTION_ENGINE,
        *_FILLS,
        *_WATCHING,
        *_OF_THE_SIMULATOR,
    )
)
"""By name."""

STAGES = {
    "feed": "From Alpaca's message to its publication in the mesh.",
    "market-data-lag": "Market data, from publication to the end of the turn that handled it.",
    "features-lag": "Features, from publication to the end of the turn that handled them.",
    "tick_to_features": "From a tick's publication to that of its features.",
    "tick_to_signal": "From a tick's publication to a strategy's signal.",
    "risk_check_round_trip": "Risk check of a signal, as the signal generator sees it.",
    "risk-check": "Risk check, inside the risk manager.",
    "tick_to_approved": "From a tick's publication to the approved signal on its way.",
    "order_risk_check_round_trip": "Risk check of an order, as the execution engine sees it.",
    "order_ready": "From an approved signal's sending to the order ready to be posted.",
    "order_post": "An order's POST, round trip.",
    "report_ack": "A report, from its first push to its ack.",
    "redelivery": "The same, of those that had to be pushed again.",
    "book": "A report, from the fill processor to the risk manager's answer.",
    "report-apply": "Booking a report, inside the risk manager.",
    "reconcile": "A reconciliation with the broker.",
}
"""What the label `stage` of `stage_latency_seconds` may be."""
