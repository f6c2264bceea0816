{{/* For the Prometheus operator: of each kind only where it is asked for. */}}
{{- define "tradingmesh.podMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
{{- include "tradingmesh.monitorHead" . }}
  podMetricsEndpoints: {{- include "tradingmesh.scrape" . | nindent 4 }}
{{- end }}

{{- define "tradingmesh.serviceMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
{{- include "tradingmesh.monitorHead" . }}
  endpoints: {{- include "tradingmesh.scrape" . | nindent 4 }}
{{- end }}

{{- define "tradingmesh.monitorHead" }}
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tradingmesh.labels" . | nindent 4 }}
    {{- with .root.Values.global.monitoring.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels: {{- include "tradingmesh.selector" . | nindent 6 }}
  podTargetLabels: [app.kubernetes.io/instance, app.kubernetes.io/name]
{{- end }}

{{- define "tradingmesh.scrape" -}}
- port: http-admin
  path: /metrics
  interval: {{ .root.Values.global.monitoring.interval }}
{{- end }}
