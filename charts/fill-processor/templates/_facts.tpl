{{- define "fill-processor.facts" -}}
kind: Deployment
scales: true
stopAfterSeconds: 5
{{- end }}
