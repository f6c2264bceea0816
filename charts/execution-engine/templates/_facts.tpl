{{- define "execution-engine.facts" -}}
kind: StatefulSet
broker: trading
stopAfterSeconds: 1
{{- end }}
