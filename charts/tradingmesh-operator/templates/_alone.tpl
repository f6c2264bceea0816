{{- define "operator.lease" -}}
{{ .Release.Namespace }}/{{ .Values.lease.name }}
{{- end }}

{{/*
Two operators with a Lease each both work, and of two versions each rolls every system to its own, for ever. Bindings say
who works where: one of the whole cluster is looked for unless this release is to need no rights in other namespaces.
*/}}
{{- define "operator.alone" -}}
{{- if or (not .Values.watchNamespaces) .Values.aggregateRoles }}
{{- range (lookup "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "" "").items }}
{{- include "operator.refuse" (dict "root" $ "binding" . "where" "every namespace") }}
{{- end }}
{{- end }}
{{- range .Values.watchNamespaces | default (list "") }}
{{- range (lookup "rbac.authorization.k8s.io/v1" "RoleBinding" . "").items }}
{{- include "operator.refuse" (dict "root" $ "binding" . "where" (printf "namespace %s" .metadata.namespace)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "operator.refuse" -}}
{{- $told := .binding.metadata.annotations | default dict }}
{{- $lease := get $told "tradingmesh.io/lease" }}
{{- if and $lease (ne $lease (include "operator.lease" .root)) }}
{{- $other := printf "release %s in namespace %s" (get $told "meta.helm.sh/release-name") (get $told "meta.helm.sh/release-namespace") }}
{{- fail (printf "watchNamespaces: %s runs the TradingSystems of %s already: uninstall it, name other namespaces in one of the two, or install this one in its namespace, where one works and the other waits" $other .where) }}
{{- end }}
{{- end }}
