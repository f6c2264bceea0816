{{/*
What every template here is given: one dict, made once a component. Its chart defines `<chart>.facts`, what is particular:

  kind              Deployment or StatefulSet; a StatefulSet has a volume
  broker            what it talks of to the broker, market-data or trading; or itself, it is the broker: it gets the keys
  control           it gets the control token
  postgres          it gets the PostgreSQL URL, where the manifest names a database
  scales            more than one may run
  stopAfterSeconds  how long it goes on once it is told to stop, so that who gives it work has ended before

This adds: root (the chart's own context), name, system, fullname, spec, mode, channels (with the ports in force), binds,
connects, peers.
*/}}
{{- define "tradingmesh.fill" -}}
{{- $root := .root }}
{{- range $fact, $value := include (printf "%s.facts" $root.Chart.Name) $root | fromYaml }}{{ $_ := set $ $fact $value }}{{ end }}
{{- $spec := $root.Values.global.system.spec | default dict }}
{{- $name := $root.Chart.Name }}
{{- $_ := set . "name" $name }}
{{- $_ := set . "system" (include "tradingmesh.systemName" $root) }}
{{- $_ := set . "fullname" (printf "%s-%s" .system $name) }}
{{- $_ := set . "spec" $spec }}
{{- $_ := set . "mode" ($spec.mode | default "simulated") }}
{{- $channels := include "tradingmesh.channels" $root | fromYaml }}
{{- $binds := list }}
{{- $connects := list }}
{{- $peers := dict }}
{{- range $channel := keys $channels | sortAlpha }}
{{- $facts := get $channels $channel }}
{{- $told := get ($spec.endpoints | default dict) $facts.key | default dict }}
{{- $_ := set $facts "port" (int ($told.port | default $facts.port)) }}
{{- if eq $facts.binder $name }}{{ $binds = append $binds $channel }}{{ end }}
{{- if has $name $facts.connects }}
{{- $connects = append $connects $channel }}
{{- $_ := set $peers $facts.binder (printf "%s-%s" $.system $facts.binder) }}
{{- end }}
{{- end }}
{{- if and .broker (eq .mode "simulated") (ne .broker "itself") }}
{{- $_ := set $peers "alpaca-simulator" (printf "%s-alpaca-simulator" .system) }}
{{- end }}
{{- $_ := set . "channels" $channels }}
{{- $_ := set . "binds" $binds }}
{{- $_ := set . "connects" $connects }}
{{- $_ := set . "peers" $peers }}
{{- end }}

{{/* The system's name: what every name begins with. A release's may be longer than a StatefulSet's label has room for. */}}
{{- define "tradingmesh.systemName" -}}
{{- $name := .Values.global.system.name | default .Release.Name }}
{{- $max := include "tradingmesh.nameMax" . | int }}
{{- if or (gt (len $name) $max) (not (regexMatch (include "tradingmesh.namePattern" .) $name)) }}
{{- fail (printf "global.system.name: %q: a system's name has at most %d small letters, digits and dashes, and begins with a letter; left out, it is the release's" $name $max) }}
{{- end }}
{{- $name -}}
{{- end }}

{{/* The ConfigMap with the manifest: the umbrella's, or a chart's own where it is installed alone. */}}
{{- define "tradingmesh.manifestName" -}}
{{- if .root.Chart.IsRoot }}{{ .fullname }}{{ else }}{{ .system }}-system{{ end -}}
{{- end }}

{{- define "tradingmesh.controlSecretName" -}}
{{- .Values.global.controlTokenSecret | default (printf "%s-control" (include "tradingmesh.systemName" .)) -}}
{{- end }}

{{/* The image, by its full name. */}}
{{- define "tradingmesh.image" -}}
{{- $image := .root.Values.global.image }}
{{- .root.Values.image | default (printf "%s/%s:%s" $image.repository .name ($image.tag | default .root.Chart.AppVersion)) -}}
{{- end }}

{{/* How many there are to be. */}}
{{- define "tradingmesh.replicas" -}}
{{- if kindIs "invalid" .root.Values.replicas -}}
{{- if .scales }}{{ (.spec.fillProcessors | default dict).replicas | default 2 | int }}{{ else }}1{{ end -}}
{{- else -}}
{{- int .root.Values.replicas -}}
{{- end -}}
{{- end }}
