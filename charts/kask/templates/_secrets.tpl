{{/*
Each directory of files that come from a Secret: its name, path, secret and items, and its data if the Secret is ours.
An item is a key of the Secret, the file's name, and the setting that names the file.
*/}}
{{- define "kask.secretFiles" -}}
{{- $secrets := .Values.secrets }}
{{- $certs := .Values.main_app.certs | default dict }}
{{- $kask := $certs.kask | default dict }}
{{- $nodes := $certs.cassandra | default dict }}
{{- if and $kask (not (and $kask.cert $kask.key)) }}{{ fail "main_app.certs.kask needs both cert and key" }}{{ end }}
{{- $candidates := list
  (dict "name" "cassandra" "path" "/etc/kask-cassandra" "given" $secrets.cassandra "items" (list
    (dict "key" $secrets.cassandra.passwordKey "path" "password" "data" (include "kask.credentials" . | fromYaml).password)))
  (dict "name" "tls" "path" "/etc/kask-certs" "given" $secrets.tls "items" (list
    (dict "key" $secrets.tls.certKey "path" "cert.pem" "setting" "cert" "data" $kask.cert)
    (dict "key" $secrets.tls.keyKey "path" "key.pem" "setting" "key" "data" $kask.key)
    (dict "key" $secrets.tls.clientCaKey "path" "client-ca.pem" "setting" "client_ca" "data" $kask.client_ca)
    (dict "key" $secrets.tls.clientCrlKey "path" "client-crl.pem" "setting" "client_crl" "data" $kask.client_crl)))
  (dict "name" "cassandra-tls" "path" "/etc/cassandra-certs" "given" $secrets.cassandraTls "items" (list
    (dict "key" $secrets.cassandraTls.caKey "path" "ca.crt" "setting" "ca" "data" $nodes.ca)
    (dict "key" $secrets.cassandraTls.certKey "path" "tls.crt" "setting" "cert" "data" $nodes.cert)
    (dict "key" $secrets.cassandraTls.keyKey "path" "tls.key" "setting" "key" "data" $nodes.key)))
  (dict "name" "encryption" "path" "/etc/kask-encryption" "given" $secrets.encryption "items" (list
    (dict "key" $secrets.encryption.key "path" "keys" "setting" "key_file" "data" $secrets.encryption.keys)))
  (dict "name" "log" "path" "/etc/kask-log" "given" $secrets.log "items" (list
    (dict "key" $secrets.log.key "path" "secret" "setting" "log_key_file" "data" $secrets.log.secret))) }}
{{- $files := list }}
{{- range $candidates }}
  {{- $existing := .given.existingSecret }}
  {{- $items := list }}
  {{- $data := dict }}
  {{- range .items }}
    {{- if and $existing .key }}{{ $items = append $items (omit . "data") }}{{ end }}
    {{- if and (not $existing) .data }}
      {{- $items = append $items (set (omit . "data") "key" .path) }}
      {{- $_ := set $data .path (toString .data) }}
    {{- end }}
  {{- end }}
  {{- $secret := $existing | default (printf "%s-%s" (include "kask.name" $) .name) }}
  {{- if $items }}
    {{- $files = append $files (dict "name" .name "path" .path "secret" $secret "items" $items "data" $data) }}
  {{- end }}
{{- end }}
{{- toYaml (dict "files" $files) }}
{{- end }}

{{- define "kask.secretMounts" -}}
{{- range (include "kask.secretFiles" . | fromYaml).files }}
- name: {{ .name }}
  mountPath: {{ .path }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "kask.secretVolumes" -}}
{{- range (include "kask.secretFiles" . | fromYaml).files }}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      {{- range .items }}
      - key: {{ .key }}
        path: {{ .path }}
      {{- end }}
{{- end }}
{{- end }}

{{/* The password is no setting of the file, and neither is a name that is in the Secret. */}}
{{- define "kask.credentialsEnv" -}}
{{- $given := .Values.secrets.cassandra }}
{{- range (include "kask.secretFiles" . | fromYaml).files }}
{{- if eq .name "cassandra" }}
- name: KASK_CASSANDRA_AUTHENTICATION_PASSWORD_FILE
  value: /etc/kask-cassandra/password
{{- if and $given.existingSecret $given.usernameKey }}
- name: KASK_CASSANDRA_AUTHENTICATION_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ $given.usernameKey }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
