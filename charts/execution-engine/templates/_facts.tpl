{{- define "execution-engine.facts" -}}
kind: StatefulSet
broker: true
stopAfterSeconds: 1
{{- end }}
