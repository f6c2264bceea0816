{{/* Every port the component listens on: the channels it binds, the simulator's, the live page's, the admin HTTP. */}}
{{- define "tradingmesh.ports" -}}
{{- $context := . }}
{{- $ports := list }}
{{- range .binds }}
{{- $facts := get $context.channels . }}
{{- $ports = append $ports (dict "name" (printf "tcp-zmq-%s" $facts.short) "port" $facts.port) }}
{{- end }}
{{- if eq .name "alpaca-simulator" }}
{{- $ports = append $ports (dict "name" "http-broker" "port" (include "tradingmesh.simulatorPort" . | int)) }}
{{- end }}
{{- if eq .name "metrics-collector" }}
{{- $ports = append $ports (dict "name" "http-page" "port" (include "tradingmesh.pagePort" . | int)) }}
{{- end }}
{{- $ports = append $ports (dict "name" "http-admin" "port" (include "tradingmesh.adminPort" . | int)) }}
{{- toYaml $ports -}}
{{- end }}

{{- define "tradingmesh.containerPorts" -}}
{{- range include "tradingmesh.ports" . | fromYamlArray }}
- {name: {{ .name }}, containerPort: {{ .port }}}
{{- end }}
{{- end }}

{{/*
Headless: a ZeroMQ connection is made once and stays, so it goes to the pod itself. Addresses are published of pods that
are not ready too: a peer must be reached to become ready, and a risk manager that is not ready still answers a halt.
*/}}
{{- define "tradingmesh.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.labels" . | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {{- include "tradingmesh.selector" . | nindent 4 }}
  ports:
    {{- range include "tradingmesh.ports" . | fromYamlArray }}
    - {name: {{ .name }}, port: {{ .port }}, targetPort: {{ .name }}, protocol: TCP}
    {{- end }}
{{- end }}
