{{/*
Where the sidecar stands. From Kubernetes 1.29 on a sidecar among the init containers starts before the service and is
told to stop after it has ended, so that it is there for the requests of those last seconds. Before, it has to wait.
*/}}
{{- define "kask.mesh.kind" -}}
{{- if .Values.mesh.enabled }}{{ ternary "native" "container" (semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version) }}{{ end }}
{{- end }}

{{- define "kask.mesh.container" -}}
{{- $mesh := .Values.mesh }}
- name: {{ include "kask.name" . }}-tls-proxy
  image: "{{ with .Values.docker.registry }}{{ . }}/{{ end }}{{ $mesh.image_name }}:{{ $mesh.image_version }}"
  imagePullPolicy: {{ .Values.docker.pull_policy }}
  {{- if eq (include "kask.mesh.kind" .) "native" }}
  restartPolicy: Always
  {{- else }}
  lifecycle:
    preStop:
      exec:
        command: [/bin/sh, -c, sleep {{ include "kask.leaving" . }}]
  {{- end }}
  env:
    - name: SERVICE_NAME
      value: {{ .Release.Name }}
    - name: SERVICE_ZONE
      value: default
    - name: ADMIN_PORT
      value: {{ int $mesh.admin.port | quote }}
    {{- with $mesh.concurrency }}
    - name: CONCURRENCY
      value: {{ . | quote }}
    {{- end }}
  ports:
    {{- with $mesh.public_port }}
    - name: https
      containerPort: {{ int . }}
    {{- end }}
    - name: envoy
      containerPort: {{ int $mesh.telemetry.port }}
  startupProbe:
    httpGet:
      path: /healthz
      port: envoy
    periodSeconds: 1
    failureThreshold: 60
  readinessProbe:
    httpGet:
      path: /healthz
      port: envoy
    periodSeconds: 2
  resources:
    {{- toYaml $mesh.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: envoy-config-volume
      mountPath: /etc/envoy
      readOnly: true
    {{- if $mesh.public_port }}
    - name: tls-certs-volume
      mountPath: /etc/envoy/ssl
      readOnly: true
    {{- end }}
{{- end }}

{{- define "kask.mesh.volumes" -}}
{{- if .Values.mesh.enabled }}
- name: envoy-config-volume
  configMap:
    name: {{ include "kask.name" . }}-envoy-config-volume
{{- if .Values.mesh.public_port }}
- name: tls-certs-volume
  secret:
    secretName: {{ include "kask.mesh.secret" . }}
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}

{{- define "kask.mesh.secret" -}}
{{ .Values.mesh.existingSecret | default (printf "%s-tls-proxy-certs" (include "kask.name" .)) }}
{{- end }}

{{- define "kask.mesh.annotations" -}}
{{- if .Values.mesh.enabled }}
checksum/tls-config: {{ include "kask.mesh.envoy" . | sha256sum }}
envoyproxy.io/scrape: {{ .Values.mesh.telemetry.enabled | quote }}
envoyproxy.io/port: {{ int .Values.mesh.telemetry.port | quote }}
{{- end }}
{{- end }}

{{/*
TLS for the service, which is spoken to in clear and in HTTP/1.1. Paths hold session keys: they are forwarded as they
come, and none is logged, as Envoy's own format would.
*/}}
{{- define "kask.mesh.envoy" -}}
{{- $mesh := .Values.mesh }}
{{- if and $mesh.public_port (include "kask.servesTls" .) }}
  {{- fail "the sidecar speaks with the service in clear: mesh.enabled goes without main_app.certs.kask and secrets.tls" }}
{{- end }}
{{- $hcm := "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" }}
{{- $router := "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" }}
# Envoy reads no certificate from a file unless it has a name.
node: {id: {{ .Release.Name }}, cluster: {{ include "kask.name" . }}}
admin:
  address:
    socket_address: {address: 127.0.0.1, port_value: {{ int $mesh.admin.port }}}
static_resources:
  clusters:
    - name: kask
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          common_http_protocol_options: {idle_timeout: {{ $mesh.idle_timeout }}}
          explicit_http_config: {http_protocol_options: {}}
      load_assignment:
        cluster_name: kask
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {{ int ($mesh.upstream_local_port | default .Values.app.port) }}}}}
    - name: admin
      connect_timeout: 1s
      load_assignment:
        cluster_name: admin
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: {{ int $mesh.admin.port }}}}}
  listeners:
    - name: telemetry
      address: {socket_address: {address: 0.0.0.0, port_value: {{ int $mesh.telemetry.port }}}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {{ $hcm }}
                stat_prefix: telemetry
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": {{ $router }}}
                route_config:
                  virtual_hosts:
                    - name: telemetry
                      domains: ['*']
                      routes:
                        - match: {path: /healthz}
                          route: {cluster: admin, prefix_rewrite: /ready}
                        {{- if $mesh.telemetry.enabled }}
                        - match: {path: /stats/prometheus}
                          route: {cluster: admin}
                        {{- end }}
    {{- if $mesh.public_port }}
    - name: sessions
      address: {socket_address: {address: 0.0.0.0, port_value: {{ int $mesh.public_port }}}}
      filter_chains:
        - transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                tls_params: {tls_minimum_protocol_version: TLSv1_2}
                tls_certificate_sds_secret_configs:
                  - name: certificate
                    sds_config:
                      path_config_source: {path: /etc/envoy/tls_certificate_sds_secret.yaml}
                      resource_api_version: V3
          filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": {{ $hcm }}
                stat_prefix: sessions
                http_protocol_options: {accept_http_10: true}
                access_log:
                  - name: envoy.access_loggers.stdout
                    filter:
                      status_code_filter:
                        comparison:
                          op: GE
                          value: {default_value: {{ int $mesh.local_access_log_min_code }}, runtime_key: min_log_code}
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
                      log_format:
                        text_format_source:
                          inline_string: "[%START_TIME%] %REQ(:METHOD)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %REQ(X-REQUEST-ID)% %UPSTREAM_TRANSPORT_FAILURE_REASON%\n"
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": {{ $router }}}
                route_config:
                  {{- with $mesh.request_headers_to_add }}
                  request_headers_to_add:
                    {{- range . }}
                    - header: {key: {{ .header }}, value: {{ .value | quote }}}
                      {{- if hasKey . "append" }}
                      append_action: {{ ternary "APPEND_IF_EXISTS_OR_ADD" "OVERWRITE_IF_EXISTS_OR_ADD" .append }}
                      {{- end }}
                    {{- end }}
                  {{- end }}
                  virtual_hosts:
                    - name: sessions
                      domains: ['*']
                      routes:
                        - match: {prefix: /}
                          route: {cluster: kask, timeout: {{ $mesh.upstream_timeout }}}
    {{- end }}
{{- end }}
