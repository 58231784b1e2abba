{{/* Names, Cassandra, and whatever else is told. */}}
{{- define "kask.egress" -}}
{{- $egress := .Values.networkpolicy.egress }}
{{- $config := include "kask.config" . | fromYaml }}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
  {{- with $egress.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- if and (eq ($config.storage | default "cassandra") "cassandra") (not (or $egress.dst_nets $egress.dst_ports)) }}
- ports:
    - port: {{ int ($config.cassandra.port | default 9042) }}
      protocol: TCP
{{- end }}
{{- with $egress.dst_ports }}
- ports:
    {{- include "kask.egressPorts" . | trim | nindent 4 }}
{{- end }}
{{- range $egress.dst_nets }}
- to:
    - ipBlock:
        {{- toYaml (omit . "ports") | nindent 8 }}
  {{- with .ports }}
  ports:
    {{- include "kask.egressPorts" . | trim | nindent 4 }}
  {{- end }}
{{- end }}
{{- with $egress.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "kask.egressPorts" -}}
{{- range . }}
- port: {{ .port }}
  protocol: {{ .protocol | default "TCP" | upper }}
{{- end }}
{{- end }}
