{{/* Everything of one component. A chart of a component is this one call, and its values. */}}
{{- define "tradingmesh.component" -}}
{{- if .Values.enabled }}
{{- $context := dict "root" . }}
{{- include "tradingmesh.fill" $context }}
{{- with $context }}
{{- if or (ne .name "alpaca-simulator") (eq .mode "simulated") }}
{{- if eq ((.spec.endpoints | default dict).transport | default "tcp") "ipc" }}
{{- fail "global.system.spec.endpoints.transport: ipc joins processes of one machine; between pods it is tcp" }}
{{- end }}
{{- if .root.Chart.IsRoot }}
{{ include "tradingmesh.manifestConfigMap" (dict "root" .root "name" (include "tradingmesh.manifestName" .)) }}
---
{{- if and .control (not .root.Values.global.controlTokenSecret) }}
{{ include "tradingmesh.controlSecret" .root }}
---
{{- end }}
{{- end }}
{{ include "tradingmesh.serviceAccount" . }}
---
{{ include "tradingmesh.service" . }}
---
{{ if eq .kind "StatefulSet" }}{{ include "tradingmesh.statefulSet" . }}{{ else }}{{ include "tradingmesh.deployment" . }}{{ end }}
{{- if .scales }}
---
{{ include "tradingmesh.disruptionBudget" . }}
{{- end }}
{{- if include "tradingmesh.byKeda" . }}
---
{{ include "tradingmesh.scaledObject" . }}
{{- end }}
{{- if .root.Values.global.networkPolicy.enabled }}
---
{{ include "tradingmesh.networkPolicy" . }}
{{- end }}
{{- if .root.Values.global.monitoring.podMonitor }}
---
{{ include "tradingmesh.podMonitor" . }}
{{- end }}
{{- if or .root.Values.global.monitoring.serviceMonitor (.spec.observability | default dict).serviceMonitor }}
---
{{ include "tradingmesh.serviceMonitor" . }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
