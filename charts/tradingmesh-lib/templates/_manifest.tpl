{{/* The manifest as every program reads it: a whole TradingSystem document. */}}
{{- define "tradingmesh.manifest" -}}
{{- $system := .Values.global.system }}
{{- $metadata := dict "name" (include "tradingmesh.systemName" .) "namespace" .Release.Namespace }}
{{- if $system.generation }}{{ $_ := set $metadata "generation" (int $system.generation) }}{{ end }}
{{- dict "apiVersion" "tradingmesh.io/v1alpha1" "kind" "TradingSystem" "metadata" $metadata "spec" $system.spec | toYaml -}}
{{- end }}

{{- define "tradingmesh.manifestConfigMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.systemLabels" .root | nindent 4 }}
data:
  system.yaml: | {{- include "tradingmesh.manifest" .root | nindent 4 }}
{{- end }}

{{/* The token that `tradingmesh halt` and its like need. Made once; an upgrade keeps the one that is there. */}}
{{- define "tradingmesh.controlSecret" -}}
{{- $name := include "tradingmesh.controlSecretName" . }}
{{- $there := lookup "v1" "Secret" .Release.Namespace $name | default dict }}
{{- $token := get ($there.data | default dict) "token" | default (randAlphaNum 40 | b64enc) }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "tradingmesh.systemLabels" . | nindent 4 }}
type: Opaque
data:
  token: {{ $token }}
{{- end }}

{{/*
A hash of exactly those parts of the spec that the component reads when it starts: what changes in them restarts it, and
nothing else does. Risk limits, trading and circuitBreaker are in no list: they are taken while it runs. What is not set
does not count: a part that a later version reads too restarts nobody who has not set it.
*/}}
{{- define "tradingmesh.configHash" -}}
{{- $spec := .spec }}
{{- $found := dict }}
{{- range $path := get (include "tradingmesh.parts" .root | fromYaml) .name }}
{{- $at := $spec }}
{{- range splitList "." $path }}{{ if kindIs "map" $at }}{{ $at = get $at . }}{{ else }}{{ $at = "" }}{{ end }}{{ end }}
{{- if not (has (toString $at) (list "" "<nil>")) }}{{ $_ := set $found $path $at }}{{ end }}
{{- end }}
{{- $found | toJson | sha256sum | trunc 16 -}}
{{- end }}

{{/* What belongs to the system as a whole. */}}
{{- define "tradingmesh.systemObjects" -}}
{{ include "tradingmesh.manifestConfigMap" (dict "root" . "name" (printf "%s-system" (include "tradingmesh.systemName" .))) }}
{{- if not .Values.global.controlTokenSecret }}
---
{{ include "tradingmesh.controlSecret" . }}
{{- end }}
{{- end }}
