{{- define "market-data-feed.facts" -}}
kind: Deployment
broker: market-data
{{- end }}
