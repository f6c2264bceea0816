{{/* What the operator is told through its environment. */}}
{{- define "operator.env" -}}
- name: TRADINGMESH_OPERATOR_INSTANCE
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: TRADINGMESH_OPERATOR_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- {name: TRADINGMESH_OPERATOR_WATCH_NAMESPACES, value: {{ .Values.watchNamespaces | toJson | squote }}}
- {name: TRADINGMESH_OPERATOR_IMAGE_REPOSITORY, value: {{ .Values.image.repository | quote }}}
- {name: TRADINGMESH_OPERATOR_IMAGE_TAG, value: {{ .Values.image.tag | default .Chart.AppVersion | quote }}}
- {name: TRADINGMESH_OPERATOR_IMAGE_PULL_POLICY, value: {{ .Values.image.pullPolicy }}}
- {name: TRADINGMESH_OPERATOR_IMAGE_PULL_SECRETS, value: {{ .Values.image.pullSecrets | toJson | squote }}}
- {name: TRADINGMESH_OPERATOR_LEASE, value: {{ .Values.lease.name }}}
- {name: TRADINGMESH_OPERATOR_LEASE_DURATION_S, value: {{ .Values.lease.durationSeconds | quote }}}
- {name: TRADINGMESH_OPERATOR_ADMIN_HOST, value: 0.0.0.0}
- {name: TRADINGMESH_OPERATOR_ADMIN_PORT, value: "9090"}
- {name: TRADINGMESH_OPERATOR_LOG_LEVEL, value: {{ .Values.logLevel }}}
{{- with .Values.otlpEndpoint }}
- {name: TRADINGMESH_OPERATOR_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
- {name: HOME, value: /tmp}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
