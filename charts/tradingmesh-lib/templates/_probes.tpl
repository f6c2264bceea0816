{{/*
The startup probe asks often, so that a start is seen at once, and for as long as a long journal takes to be read.
/healthz fails when the work loop hangs for 3 s; ten seconds more of that end the process.
*/}}
{{- define "tradingmesh.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http-admin}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: {{ .root.Values.startupTimeoutSeconds | int }}
livenessProbe:
  httpGet: {path: /healthz, port: http-admin}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: http-admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
