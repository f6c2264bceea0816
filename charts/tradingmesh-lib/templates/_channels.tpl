{{/* Written by `make charts` from tradingmesh.contract: who binds each channel, who connects to it, its usual port. */}}
{{- define "tradingmesh.channels" -}}
market-data: {key: marketData, short: market, port: 5555, binder: market-data-feed, connects: [market-data-store, feature-engine, signal-generator, risk-manager, metrics-collector]}
risk-check: {key: riskCheck, short: risk, port: 5556, binder: risk-manager, connects: [signal-generator, execution-engine]}
fills: {key: fills, short: fills, port: 5557, binder: execution-engine, connects: [fill-processor]}
orders: {key: orders, short: orders, port: 5558, binder: execution-engine, connects: [signal-generator, risk-manager]}
features: {key: features, short: feature, port: 5559, binder: feature-engine, connects: [market-data-store]}
events: {key: events, short: events, port: 5560, binder: metrics-collector, connects: [market-data-feed, market-data-store, feature-engine, signal-generator, risk-manager, execution-engine, fill-processor]}
positions: {key: positions, short: pos, port: 5561, binder: risk-manager, connects: [fill-processor]}
fill-acks: {key: fillAcks, short: acks, port: 5562, binder: execution-engine, connects: [fill-processor]}
control: {key: control, short: control, port: 5563, binder: risk-manager, connects: []}
trading-state: {key: tradingState, short: state, port: 5564, binder: risk-manager, connects: [execution-engine, metrics-collector]}
{{- end }}

{{- define "tradingmesh.adminPort" -}}9090{{- end }}
{{- define "tradingmesh.simulatorPort" -}}8900{{- end }}

{{/* The parts of the spec that each component reads when it starts, without its channels and the risk limits. */}}
{{- define "tradingmesh.parts" -}}
market-data-feed: [mode, symbols, broker.kind, broker.feed, broker.dataStreamUrl, broker.dataTimeout, broker.simulator.speed, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
market-data-store: [symbols, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
feature-engine: [symbols, broker.kind, broker.simulator.speed, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
signal-generator: [symbols, strategies, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
risk-manager: [mode, symbols, broker.simulator.cash, persistence.postgres, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
execution-engine: [mode, broker.tradingUrl, broker.tradingStreamUrl, broker.commissionPerShare, broker.retry, broker.apiCircuitBreaker, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
fill-processor: [broker.commissionPerShare, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
metrics-collector: [symbols, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio]
alpaca-simulator: [symbols, broker.commissionPerShare, broker.simulator]
{{- end }}
