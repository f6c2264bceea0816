{{- define "feature-engine.facts" -}}
kind: Deployment
{{- end }}
