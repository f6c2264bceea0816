{{- define "alpaca-simulator.facts" -}}
kind: Deployment
broker: itself
stopAfterSeconds: 9
{{- end }}
