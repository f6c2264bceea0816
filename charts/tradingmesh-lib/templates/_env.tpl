{{/* What a program is told through its environment. */}}
{{- define "tradingmesh.env" -}}
- {name: TRADINGMESH_SYSTEM_FILE, value: /etc/tradingmesh/system.yaml}
- name: TRADINGMESH_INSTANCE
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- {name: TRADINGMESH_DATA_DIR, value: {{ ternary "/var/lib/tradingmesh" "/tmp" (eq .kind "StatefulSet") }}}
- {name: TRADINGMESH_BIND_HOST, value: 0.0.0.0}
- {name: TRADINGMESH_ADMIN_HOST, value: 0.0.0.0}
- {name: TRADINGMESH_ADMIN_PORT, value: {{ include "tradingmesh.adminPort" . | quote }}}
{{- if eq .name "metrics-collector" }}
- {name: TRADINGMESH_PAGE_PORT, value: {{ include "tradingmesh.pagePort" . | quote }}}
{{- end }}
- {name: TRADINGMESH_LOG_LEVEL, value: {{ .root.Values.logLevel }}}
{{- if .peers }}
- name: TRADINGMESH_HOSTS
  value: {{ .peers | toJson | squote }}
{{- end }}
{{- if .control }}
- name: TRADINGMESH_CONTROL_TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "tradingmesh.controlSecretName" .root }}, key: token}}
{{- end }}
{{- include "tradingmesh.postgresEnv" . }}
{{- include "tradingmesh.brokerEnv" . }}
- {name: HOME, value: /tmp}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The database that keeps the journal; two systems of one name in two namespaces may share it. */}}
{{- define "tradingmesh.postgresEnv" -}}
{{- $reference := ((.spec.persistence | default dict).postgres | default dict).urlSecretRef }}
{{- if and .postgres $reference }}
- name: TRADINGMESH_POSTGRES_URL
  valueFrom: {secretKeyRef: {name: {{ $reference.name }}, key: {{ $reference.key | default "url" }}}}
- {name: TRADINGMESH_POSTGRES_SCHEMA, value: {{ printf "%s-%s" .root.Release.Namespace .system | trunc 63 }}}
{{- end }}
{{- end }}

{{/* The broker's keys. Those of a simulator without a secret open nothing but that simulator: they are no secret. */}}
{{- define "tradingmesh.brokerEnv" -}}
{{- if .broker }}
{{- if eq .mode "simulated" }}
- {name: TRADINGMESH_SIMULATOR_PORT, value: {{ include "tradingmesh.simulatorPort" . | quote }}}
{{- end }}
{{- $secret := ((.spec.broker | default dict).credentialsSecretRef | default dict).name }}
{{- range $key := list "APCA_API_KEY_ID" "APCA_API_SECRET_KEY" }}
{{- if $secret }}
- name: {{ $key }}
  valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}}
{{- else if eq $.mode "simulated" }}
- {name: {{ $key }}, value: simulator}
{{- else }}
{{- fail (printf "global.system.spec.broker.credentialsSecretRef: mode %s needs the name of a secret with APCA_API_KEY_ID and APCA_API_SECRET_KEY" $.mode) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
