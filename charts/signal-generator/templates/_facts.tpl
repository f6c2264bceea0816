{{- define "signal-generator.facts" -}}
kind: Deployment
{{- end }}
