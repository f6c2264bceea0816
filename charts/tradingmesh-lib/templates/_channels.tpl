{{/* Written by `make charts` from tradingmesh.contract; a test holds it to that. */}}

{{/* Each channel: its key under `endpoints`, the name of its port, its usual port, who binds it and who connects. */}}
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

{{- define "tradingmesh.adminPort" -}}
9090
{{- end }}

{{- define "tradingmesh.pagePort" -}}
8080
{{- end }}

{{- define "tradingmesh.simulatorPort" -}}
8900
{{- end }}

{{- define "tradingmesh.nameMax" -}}
34
{{- end }}

{{- define "tradingmesh.namePattern" -}}
^[a-z]([-a-z0-9]*[a-z0-9])?$
{{- end }}

{{/* The parts of the spec that a component reads when it starts. */}}
{{- define "tradingmesh.parts" -}}
market-data-feed: [mode, symbols, broker.kind, broker.feed, broker.dataStreamUrl, broker.dataTimeout, broker.simulator.speed, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.marketData, endpoints.events]
market-data-store: [symbols, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.marketData, endpoints.features, endpoints.events]
feature-engine: [symbols, broker.kind, broker.simulator.speed, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.marketData, endpoints.features, endpoints.events]
signal-generator: [symbols, strategies, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.marketData, endpoints.riskCheck, endpoints.orders, endpoints.events]
risk-manager: [mode, symbols, broker.simulator.cash, persistence.postgres, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.marketData, endpoints.riskCheck, endpoints.orders, endpoints.events, endpoints.positions, endpoints.control, endpoints.tradingState]
execution-engine: [mode, broker.tradingUrl, broker.tradingStreamUrl, broker.commissionPerShare, broker.retry, broker.apiCircuitBreaker, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.riskCheck, endpoints.fills, endpoints.orders, endpoints.events, endpoints.fillAcks, endpoints.tradingState]
fill-processor: [broker.commissionPerShare, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.fills, endpoints.events, endpoints.positions, endpoints.fillAcks]
metrics-collector: [mode, symbols, endpoints.heartbeat, observability.otlpEndpoint, observability.traceSampleRatio, endpoints.marketData, endpoints.events, endpoints.tradingState]
alpaca-simulator: [symbols, broker.commissionPerShare, broker.simulator]
{{- end }}
