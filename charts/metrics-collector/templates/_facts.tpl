{{- define "metrics-collector.facts" -}}
kind: Deployment
stopAfterSeconds: 8
{{- end }}
