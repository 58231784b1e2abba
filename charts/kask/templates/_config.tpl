{{/* The service's configuration. Merged, so that whatever is set in `config` wins. */}}
{{- define "kask.config" -}}
{{- $app := .Values.main_app }}
{{- $config := dict
  "service_name" $app.service_name
  "base_uri" $app.base_uri
  "listen_address" ($app.listen_address | default (ternary "127.0.0.1" "0.0.0.0" (eq (include "kask.isBehindSidecar" .) "true")))
  "listen_port" (int .Values.app.port)
  "default_ttl" (int64 $app.default_ttl)
  "log_level" $app.log_level
  "depool_file" "/var/run/kask/depooled"
  "cassandra" (include "kask.config.cassandra" . | fromYaml) }}
{{- with $app.openapi_spec }}{{ $_ := set $config "openapi_spec" . }}{{ end }}
{{- if .Values.management.enabled }}
  {{- $_ := set $config "management" (dict "listen_address" .Values.management.listen_address "listen_port" (int .Values.management.port)) }}
{{- end }}
{{- if include "kask.isSmall" . }}{{ $_ := set $config "limits" (dict "connections" 1000) }}{{ end }}
{{- range (include "kask.secretFiles" . | fromYaml).files }}
  {{- $settings := dict }}
  {{- $path := .path }}
  {{- range .items }}{{ $_ := set $settings (.setting | default "") (printf "%s/%s" $path .path) }}{{ end }}
  {{- if eq .name "tls" }}{{ $_ := set $config "tls" $settings }}{{ end }}
  {{- if eq .name "encryption" }}{{ $_ := set $config "encryption" $settings }}{{ end }}
  {{- if eq .name "log" }}{{ $_ := set $config "log_key_file" $settings.log_key_file }}{{ end }}
  {{- if eq .name "cassandra-tls" }}
    {{- $_ := set $config.cassandra "tls" (mustMergeOverwrite $settings ($config.cassandra.tls | default dict)) }}
  {{- end }}
{{- end }}
{{- range list "listen_port" "listen_socket" "management" "depool_file" }}
  {{- if hasKey $.Values.config . }}{{ fail (printf "config.%s: the chart needs to know; it follows from app.port, management and the like" .) }}{{ end }}
{{- end }}
{{- /* `public` and `private` are of the chart before us, where they had no effect either. */}}
{{- $config = mustMergeOverwrite $config (deepCopy (omit .Values.config "public" "private")) }}
{{- if dig "cassandra" "authentication" "password" "" $config }}
  {{- fail "config.cassandra.authentication.password would be readable in a ConfigMap: it belongs in secrets.cassandra" }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* Where all that comes for sessions comes by the sidecar, and probes and scrapers have a port of their own. */}}
{{- define "kask.isBehindSidecar" -}}
{{- if and .Values.mesh.enabled .Values.mesh.public_port .Values.management.enabled }}true{{ end }}
{{- end }}

{{- define "kask.config.cassandra" -}}
{{- $cassandra := deepCopy (.Values.main_app.cassandra | default dict) }}
{{- $_ := unset $cassandra "authentication" }}
{{- if not $cassandra.hosts }}{{ $_ := set $cassandra "hosts" (list (printf "%s-cassandra" .Release.Name)) }}{{ end }}
{{- with (include "kask.credentials" . | fromYaml).username }}
  {{- $_ := set $cassandra "authentication" (dict "username" .) }}
{{- end }}
{{- toYaml $cassandra }}
{{- end }}

{{/* The service's role: `secrets.cassandra`, or else where the chart before us had it. */}}
{{- define "kask.credentials" -}}
{{- $given := .Values.secrets.cassandra }}
{{- $before := dig "cassandra" "authentication" dict .Values.main_app | default dict }}
{{- $username := $given.username | default $before.username }}
{{- if and $given.existingSecret $given.usernameKey }}{{ $username = "" }}{{ end }}
{{- toYaml (dict "username" $username "password" ($given.password | default $before.password)) }}
{{- end }}

{{/* Quantities of Kubernetes: 150Mi, 0.4Gi, 400M, 1.5e8, 157286400. In MiB. */}}
{{- define "kask.mebibytes" -}}
{{- $quantity := toString . }}
{{- $number := regexFind "^[0-9.]+([eE][+-]?[0-9]+)?" $quantity }}
{{- $unit := trimPrefix $number $quantity }}
{{- $bytes := dict "" 1 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 }}
{{- if not (and $number (hasKey $bytes $unit)) }}{{ fail (printf "%s is no quantity of memory" $quantity) }}{{ end }}
{{- divf (mulf (float64 $number) (get $bytes $unit)) 1048576 | floor | int }}
{{- end }}

{{/* In MiB; empty without a limit. */}}
{{- define "kask.memoryLimit" -}}
{{- with (.Values.main_app.limits | default dict).memory }}{{ include "kask.mebibytes" . }}{{ end }}
{{- end }}

{{/* Connections take 10 KiB each, with TLS 35 KiB: the service's own bound of 4,000 is for larger pods. */}}
{{- define "kask.isSmall" -}}
{{- with include "kask.memoryLimit" . }}{{ if lt (int .) 256 }}true{{ end }}{{ end }}
{{- end }}

{{/*
MiB of old objects in Node's heap. What the limit of the container leaves besides the binary (50 MiB), the bodies of
requests and of answers (4 x max_value_bytes of each, at least 32 MiB) and the connections; but what production's load
needs, even if all of these at once would then not fit; and no more than was ever of use.
*/}}
{{- define "kask.heap" -}}
{{- with include "kask.memoryLimit" . }}
  {{- $config := include "kask.config" $ | fromYaml }}
  {{- $value := divf (float64 ($config.max_value_bytes | default 8388608)) 1048576 }}
  {{- $bodies := mulf 2 (maxf 32 (mulf 4 $value)) }}
  {{- $connections := divf (mulf (float64 (dig "limits" "connections" 4000 $config)) (ternary 35 10 (hasKey $config "tls"))) 1024 }}
  {{- $least := min 64 (sub (int .) 50) | max 32 }}
  {{- min 256 (max $least (int (subf (float64 .) 50 $bodies $connections))) }}
{{- end }}
{{- end }}

{{/* What a running process takes up by itself is left out: that needs no new pods. */}}
{{- define "kask.restartChecksum" -}}
{{- $config := include "kask.config" . | fromYaml }}
{{- $read := dict "config" (omit $config "authorization") "isAuthorized" (dig "authorization" "clients" false $config | empty | not) }}
{{- range (include "kask.secretFiles" . | fromYaml).files }}
  {{- if has .name (list "cassandra" "cassandra-tls") }}{{ $_ := set $read .name . }}{{ end }}
{{- end }}
{{- toYaml $read | sha256sum }}
{{- end }}
