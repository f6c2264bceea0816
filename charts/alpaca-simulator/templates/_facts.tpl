{{- define "alpaca-simulator.facts" -}}
kind: Deployment
broker: itself
stopAfterSeconds: 8
{{- end }}
