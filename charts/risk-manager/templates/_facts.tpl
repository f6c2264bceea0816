{{- define "risk-manager.facts" -}}
kind: StatefulSet
control: true
postgres: true
stopAfterSeconds: 7
{{- end }}
