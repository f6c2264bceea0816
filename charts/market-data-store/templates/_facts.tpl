{{- define "market-data-store.facts" -}}
kind: StatefulSet
{{- end }}
