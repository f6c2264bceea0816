{{/* The pod of a component: one container that may write to /tmp and, where it keeps a journal, to its volume. */}}
{{- define "tradingmesh.podTemplate" -}}
metadata:
  labels: {{- include "tradingmesh.podLabels" . | nindent 4 }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ .name }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ include "tradingmesh.adminPort" . | quote }}
    prometheus.io/path: /metrics
    tradingmesh.io/config-hash: {{ include "tradingmesh.configHash" . | quote }}
    {{- with .root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ .fullname }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .root.Values.terminationGracePeriodSeconds | int }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with .root.Values.global.image.pullSecrets }}
  imagePullSecrets: {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with include "tradingmesh.scheduling" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "tradingmesh.image" . }}
      imagePullPolicy: {{ .root.Values.global.image.pullPolicy }}
      terminationMessagePolicy: FallbackToLogsOnError
      command: [tradingmesh, run, {{ .name }}]
      env: {{- include "tradingmesh.env" . | trim | nindent 8 }}
      ports: {{- include "tradingmesh.containerPorts" . | trim | nindent 8 }}
      {{- include "tradingmesh.probes" . | nindent 6 }}
      {{- with .stopAfterSeconds }}
      lifecycle:
        preStop: {sleep: {seconds: {{ int . }}}}
      {{- end }}
      resources: {{- toYaml .root.Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: system, mountPath: /etc/tradingmesh, readOnly: true}
        - {name: tmp, mountPath: /tmp}
        {{- if eq .kind "StatefulSet" }}
        - {name: data, mountPath: /var/lib/tradingmesh}
        {{- end }}
        {{- with .root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: system
      configMap: {name: {{ include "tradingmesh.manifestName" . }}}
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- if and (eq .kind "StatefulSet") (not .root.Values.persistence.enabled) }}
    - name: data
      emptyDir: {sizeLimit: {{ include "tradingmesh.volumeSize" . }}}
    {{- end }}
    {{- with .root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Where its pods may run. */}}
{{- define "tradingmesh.scheduling" -}}
{{- $context := . }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" }}
{{- with get $context.root.Values $field }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .root.Values.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - labelSelector:
      matchLabels: {{- include "tradingmesh.selector" $context | nindent 8 }}
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
