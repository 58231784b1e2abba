{{/*
One probe, of (root, given, path, times). A given probe that asks for the old health, or for no more than a connection,
is of the chart before us: behind a sidecar it reached the sidecar. Its times are kept, and the service is asked. Any other
given handler is taken as it is.
*/}}
{{- define "kask.probe" -}}
{{- $given := .given | default dict }}
{{- if and (include "kask.hasHandler" $given) (not (include "kask.isOldProbe" (dict "root" .root "given" $given))) }}
{{- toYaml $given }}
{{- else }}
{{- $handler := dict "path" .path "port" (ternary "management" "sessions" (ne (include "kask.managementPort" .root) "")) }}
{{- if and (eq $handler.port "sessions") (include "kask.servesTls" .root) }}
  {{- if eq (include "kask.clientAuth" .root) "required" }}{{ fail "probes have no certificate to show: tls.client_auth: required needs management.enabled" }}{{ end }}
  {{- $_ := set $handler "scheme" "HTTPS" }}
{{- end }}
{{- toYaml (mustMergeOverwrite (dict "httpGet" $handler) .times (omit $given "httpGet" "tcpSocket")) }}
{{- end }}
{{- end }}

{{- define "kask.hasHandler" -}}
{{- if or .httpGet .tcpSocket .exec .grpc }}true{{ end }}
{{- end }}

{{- define "kask.isOldProbe" -}}
{{- $handler := .given.tcpSocket | default .given.httpGet | default dict }}
{{- $ports := list (toString (int .root.Values.app.port)) (toString (int (.root.Values.mesh.public_port | default 0))) }}
{{- $isHealth := or .given.tcpSocket (hasPrefix "/healthz" ($handler.path | default "")) }}
{{- if and $isHealth (has (toString $handler.port) $ports) }}true{{ end }}
{{- end }}

{{/* Empty if there is none. */}}
{{- define "kask.managementPort" -}}
{{- with (include "kask.config" . | fromYaml).management }}{{ int .listen_port }}{{ end }}
{{- end }}

{{- define "kask.servesTls" -}}
{{- if (include "kask.config" . | fromYaml).tls }}true{{ end }}
{{- end }}

{{- define "kask.clientAuth" -}}
{{- dig "tls" "client_auth" "none" (include "kask.config" . | fromYaml) }}
{{- end }}
