{{- define "alpaca-simulator.facts" -}}
kind: Deployment
broker: true
stopAfterSeconds: 8
{{- end }}
