{{/*
Only what scales is rolled with an overlap: a second feed is one stream too many for Alpaca, a second signal generator
signals twice, and who connects to a channel finds one binder.
*/}}
{{- define "tradingmesh.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.labels" . | nindent 4 }}
spec:
  replicas: {{ include "tradingmesh.replicas" . }}
  revisionHistoryLimit: 3
  {{- if .scales }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  {{- else }}
  strategy: {type: Recreate}
  {{- end }}
  selector:
    matchLabels: {{- include "tradingmesh.selector" . | nindent 6 }}
  template: {{- include "tradingmesh.podTemplate" . | nindent 4 }}
{{- end }}

{{/*
Parallel, although there is one: under OrderedReady a pod that never gets ready is not replaced by a mended template.
The claim stays when the system goes: it is the record of what was traded.
*/}}
{{- define "tradingmesh.statefulSet" -}}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.labels" . | nindent 4 }}
spec:
  serviceName: {{ .fullname }}
  replicas: {{ include "tradingmesh.replicas" . }}
  revisionHistoryLimit: 3
  podManagementPolicy: Parallel
  updateStrategy: {type: RollingUpdate}
  selector:
    matchLabels: {{- include "tradingmesh.selector" . | nindent 6 }}
  template: {{- include "tradingmesh.podTemplate" . | nindent 4 }}
  {{- if .root.Values.persistence.enabled }}
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  volumeClaimTemplates:
    - metadata:
        name: data
        labels: {{- include "tradingmesh.selector" . | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .root.Values.persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ include "tradingmesh.volumeSize" . }}}}
  {{- end }}
{{- end }}

{{- define "tradingmesh.volumeSize" -}}
{{- .root.Values.persistence.size | default (.spec.persistence | default dict).size | default "10Gi" -}}
{{- end }}

{{- define "tradingmesh.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{/* Only for who scales: of one alone, every eviction would have to be refused, and no node could be drained. */}}
{{- define "tradingmesh.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .fullname }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "tradingmesh.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "tradingmesh.selector" . | nindent 6 }}
{{- end }}
