{{/*
Who may talk to whom, from the channel table: in come the peers of the channels bound here, out goes what connects.
Admin HTTP is open to whom global.networkPolicy.adminFrom names: Prometheus and the operator. The live page is open to whom
pageFrom names, and to nobody otherwise: it shows positions, and `kubectl port-forward` needs no rule.
*/}}
{{- define "tradingmesh.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "tradingmesh.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress: {{- include "tradingmesh.ingress" . | trim | nindent 4 }}
  egress: {{- include "tradingmesh.egress" . | trim | nindent 4 }}
{{- end }}

{{- define "tradingmesh.ingress" -}}
{{- $context := . }}
{{- range .binds }}
{{- $facts := get $context.channels . }}
- ports: [{port: {{ $facts.port }}, protocol: TCP}]
  from:
    {{- range $facts.connects }}
    {{- include "tradingmesh.peer" (dict "system" $context.system "name" .) | nindent 4 }}
    {{- end }}
    {{- if eq . "control" }}
    - podSelector:
        matchLabels: {app.kubernetes.io/instance: {{ $context.system }}, tradingmesh.io/control-client: "true"}
    {{- end }}
{{- end }}
{{- if eq .name "alpaca-simulator" }}
- ports: [{port: {{ include "tradingmesh.simulatorPort" . }}, protocol: TCP}]
  from:
    {{- range list "market-data-feed" "execution-engine" }}
    {{- include "tradingmesh.peer" (dict "system" $context.system "name" .) | nindent 4 }}
    {{- end }}
{{- end }}
{{- if eq .name "metrics-collector" }}
{{- with .root.Values.global.networkPolicy.pageFrom }}
- ports: [{port: {{ include "tradingmesh.pagePort" $context }}, protocol: TCP}]
  from: {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}
- ports: [{port: {{ include "tradingmesh.adminPort" . }}, protocol: TCP}]
  {{- with .root.Values.global.networkPolicy.adminFrom }}
  from: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "tradingmesh.egress" -}}
{{- $context := . }}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- range .connects }}
{{- $facts := get $context.channels . }}
- ports: [{port: {{ $facts.port }}, protocol: TCP}]
  to:
    {{- include "tradingmesh.peer" (dict "system" $context.system "name" $facts.binder) | nindent 4 }}
{{- end }}
{{- if hasKey .peers "alpaca-simulator" }}
- ports: [{port: {{ include "tradingmesh.simulatorPort" . }}, protocol: TCP}]
  to:
    {{- include "tradingmesh.peer" (dict "system" .system "name" "alpaca-simulator") | nindent 4 }}
{{- end }}
{{- range include "tradingmesh.outsidePorts" . | fromJsonArray }}
- ports: [{port: {{ . }}, protocol: TCP}]
{{- end }}
{{- end }}

{{- define "tradingmesh.peer" -}}
- podSelector:
    matchLabels: {app.kubernetes.io/instance: {{ .system }}, app.kubernetes.io/name: {{ .name }}}
{{- end }}

{{/* The ports outside the mesh that it connects to: Alpaca's or another broker URL's, PostgreSQL's, the traces'. */}}
{{- define "tradingmesh.outsidePorts" -}}
{{- $ports := list }}
{{- $broker := .spec.broker | default dict }}
{{- $urls := dict "market-data" (list $broker.dataStreamUrl) "trading" (list $broker.tradingUrl $broker.tradingStreamUrl) }}
{{- if .broker }}
{{- if ne .mode "simulated" }}{{ $ports = append $ports 443 }}{{ end }}
{{- range compact (get $urls .broker | default list) }}
{{- $ports = append $ports (include "tradingmesh.portOf" . | int) }}
{{- end }}
{{- end }}
{{- if and .postgres (.spec.persistence | default dict).postgres }}
{{- $ports = append $ports (int .root.Values.global.networkPolicy.postgresPort) }}
{{- end }}
{{- $traces := (.spec.observability | default dict).otlpEndpoint }}
{{- if and $traces (ne .name "alpaca-simulator") }}
{{- $ports = append $ports (include "tradingmesh.portOf" $traces | int) }}
{{- end }}
{{- $ports | uniq | toJson -}}
{{- end }}

{{- define "tradingmesh.portOf" -}}
{{- $url := urlParse . }}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (has $url.scheme (list "https" "wss"))) -}}
{{- end }}
