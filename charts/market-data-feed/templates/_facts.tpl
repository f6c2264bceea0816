{{- define "market-data-feed.facts" -}}
kind: Deployment
broker: true
{{- end }}
