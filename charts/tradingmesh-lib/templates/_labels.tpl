{{/* What selects the pods of a component: never anything that changes. */}}
{{- define "tradingmesh.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .system }}
{{- end }}

{{/* Labels of a pod. The chart's version is none of them: a new chart alone restarts nobody. */}}
{{- define "tradingmesh.podLabels" -}}
{{ include "tradingmesh.selector" . }}
app.kubernetes.io/part-of: tradingmesh
app.kubernetes.io/version: {{ include "tradingmesh.image" . | regexFind "[^:/]*$" | trunc 63 | quote }}
{{- end }}

{{- define "tradingmesh.labels" -}}
{{ include "tradingmesh.podLabels" . }}
{{ include "tradingmesh.releaseLabels" .root }}
{{- end }}

{{- define "tradingmesh.releaseLabels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Labels of what belongs to the whole system. */}}
{{- define "tradingmesh.systemLabels" -}}
app.kubernetes.io/name: trading-system
app.kubernetes.io/instance: {{ include "tradingmesh.systemName" . }}
app.kubernetes.io/part-of: tradingmesh
{{ include "tradingmesh.releaseLabels" . }}
{{- end }}
