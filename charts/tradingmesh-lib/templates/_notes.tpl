{{/* What a person is told after the installation of a component alone. */}}
{{- define "tradingmesh.notes" -}}
{{- $context := dict "root" . }}
{{- include "tradingmesh.fill" $context }}
{{- with $context }}
{{- $where := printf "kubectl --namespace %s" .root.Release.Namespace }}
{{ .name }} of system {{ .system }}, mode {{ .mode }}.
{{- if and (eq .name "alpaca-simulator") (ne .mode "simulated") }} Nothing was installed: only mode simulated has it.
{{- else }}

  {{ $where }} rollout status {{ lower .kind }}/{{ .fullname }}
  {{ $where }} port-forward {{ lower .kind }}/{{ .fullname }} {{ include "tradingmesh.adminPort" . }}
  curl localhost:{{ include "tradingmesh.adminPort" . }}/readyz        # /metrics /healthz /configz
{{- if eq .name "metrics-collector" }}
  {{ $where }} port-forward service/{{ .fullname }} {{ include "tradingmesh.pagePort" . }}        # the live page: http://localhost:{{ include "tradingmesh.pagePort" . }}/
{{- end }}
{{- with .peers }}

It looks for {{ values . | sortAlpha | join ", " }} and waits until they are there.
{{- end }}
{{- end }}
{{ end }}
{{- end }}
