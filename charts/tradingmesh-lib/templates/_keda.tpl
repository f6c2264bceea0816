{{/*
KEDA scales the fill processors where the manifest asks for it and the cluster has it: helm knows the latter from the
cluster, `helm template` from `--api-versions keda.sh/v1alpha1/ScaledObject`.
*/}}
{{- define "tradingmesh.byKeda" -}}
{{- $told := (.spec.fillProcessors | default dict).autoscaling | default dict }}
{{- if and .scales (eq ($told.scaler | default "Operator") "Keda") }}
{{- if .root.Capabilities.APIVersions.Has "keda.sh/v1alpha1/ScaledObject" }}true{{ end }}
{{- end }}
{{- end }}

{{/* The backlog is what the execution engine says in its own /configz: no Prometheus is needed. */}}
{{- define "tradingmesh.scaledObject" -}}
{{- $told := .spec.fillProcessors.autoscaling }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .fullname }}}
  pollingInterval: 5
  minReplicaCount: {{ int ($told.minReplicas | default 1) }}
  maxReplicaCount: {{ int ($told.maxReplicas | default 8) }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleUp: {stabilizationWindowSeconds: 0}
        scaleDown: {stabilizationWindowSeconds: {{ include "tradingmesh.seconds" ($told.stabilization | default "60s") }}}
  triggers:
    - type: metrics-api
      metricType: AverageValue
      metadata:
        url: http://{{ .system }}-execution-engine.{{ .root.Release.Namespace }}:{{ include "tradingmesh.adminPort" . }}/configz
        valueLocation: status.backlog
        targetValue: {{ int ($told.targetBacklog | default 200) | quote }}
{{- end }}

{{/* Whole seconds of a duration such as 500ms or 1.5m; Kubernetes takes an hour at most. */}}
{{- define "tradingmesh.seconds" -}}
{{- $unit := regexFind "[a-z]+$" . }}
{{- $number := trimSuffix $unit . | float64 }}
{{- $factor := get (dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit }}
{{- mulf $number $factor | ceil | int | min 3600 -}}
{{- end }}
