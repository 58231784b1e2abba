{{- define "kask.pod" -}}
{{- $config := include "kask.config" . | fromYaml }}
automountServiceAccountToken: false
# A Service called kask-cassandra would set variables that look like ours.
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.docker.pull_secrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
terminationGracePeriodSeconds: {{ include "kask.gracePeriod" . }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- include "kask.scheduling" . }}
{{- if eq (include "kask.mesh.kind" .) "native" }}
initContainers:
  {{- include "kask.mesh.container" . | nindent 2 }}
{{- end }}
containers:
  - name: {{ include "kask.name" . }}
    image: {{ include "kask.image" . | quote }}
    imagePullPolicy: {{ .Values.docker.pull_policy }}
    command: [./kask]
    args: [--config, /etc/kask/config.yaml]
    env:
      - name: SERVICE_IDENTIFIER
        value: {{ include "kask.name" . }}
      {{- with include "kask.heap" . }}
      - name: NODE_OPTIONS
        value: --max-old-space-size={{ . }}
      {{- end }}
      {{- with include "kask.credentialsEnv" . }}
      {{- . | trim | nindent 6 }}
      {{- end }}
      {{- with .Values.main_app.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    ports:
      - name: sessions
        containerPort: {{ int .Values.app.port }}
      {{- with include "kask.managementPort" . }}
      - name: management
        containerPort: {{ . }}
      {{- end }}
    # It takes connections long before it is ready; a container with little CPU takes its time until then.
    startupProbe:
      {{- $times := dict "periodSeconds" 2 "timeoutSeconds" 2 "failureThreshold" 45 }}
      {{- include "kask.probe" (dict "root" . "given" .Values.main_app.startup_probe "path" "/healthz/live" "times" $times) | nindent 6 }}
    # A process that is busy is late, and no better for being started again.
    livenessProbe:
      {{- $times := dict "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6 }}
      {{- include "kask.probe" (dict "root" . "given" .Values.main_app.liveness_probe "path" "/healthz/live" "times" $times) | nindent 6 }}
    # The service itself waits for several results before it changes its mind.
    readinessProbe:
      {{- $times := dict "periodSeconds" 2 "timeoutSeconds" 2 "failureThreshold" 2 }}
      {{- include "kask.probe" (dict "root" . "given" .Values.main_app.readiness_probe "path" "/healthz/ready" "times" $times) | nindent 6 }}
    resources:
      {{- toYaml (dict "requests" .Values.main_app.requests "limits" .Values.main_app.limits) | nindent 6 }}
    securityContext:
      {{- toYaml .Values.securityContext | nindent 6 }}
    volumeMounts:
      - name: config-volume
        mountPath: /etc/kask
        readOnly: true
      - name: run
        mountPath: /var/run/kask
      {{- with include "kask.secretMounts" . }}
      {{- . | trim | nindent 6 }}
      {{- end }}
      {{- with .Values.main_app.volume_mounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- if eq ($config.storage | default "cassandra") "embedded" }}
      - name: data
        mountPath: {{ dig "embedded" "path" "" $config | required "storage: embedded needs config.embedded.path" }}
      {{- end }}
  {{- if eq (include "kask.mesh.kind" .) "container" }}
  {{- include "kask.mesh.container" . | nindent 2 }}
  {{- end }}
volumes:
  - name: config-volume
    configMap:
      name: {{ include "kask.name" . }}
  # What takes a pod out of its Services, ./kask depool, has to outlive the container.
  - name: run
    emptyDir:
      sizeLimit: 1Mi
  {{- with include "kask.secretVolumes" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with .Values.main_app.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- if eq ($config.storage | default "cassandra") "embedded" }}
  - name: data
    {{- if .Values.persistence.existingClaim }}
    persistentVolumeClaim:
      claimName: {{ .Values.persistence.existingClaim }}
    {{- else }}
    emptyDir: {}
    {{- end }}
  {{- end }}
  {{- with include "kask.mesh.volumes" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
{{- end }}

{{/* In s: what the process may take, and 5 more. It goes on serving after the signal by itself, so it needs no preStop. */}}
{{- define "kask.gracePeriod" -}}
{{- add (include "kask.leaving" .) 5 }}
{{- end }}

{{/* In s, rounded up: how long the service serves and then finishes after the signal. */}}
{{- define "kask.leaving" -}}
{{- $config := include "kask.config" . | fromYaml }}
{{- $delay := ternary (int $config.shutdown_delay_ms) 5000 (hasKey $config "shutdown_delay_ms") }}
{{- $timeout := ternary (int $config.shutdown_timeout_ms) 20000 (hasKey $config "shutdown_timeout_ms") }}
{{- div (add $delay $timeout 999) 1000 }}
{{- end }}

{{/* `affinity` was a fragment of the pod's spec: what it has of ours wins. An affinity proper is taken as well. */}}
{{- define "kask.scheduling" -}}
{{- $fragment := deepCopy (.Values.affinity | default dict) }}
{{- if or $fragment.nodeAffinity $fragment.podAffinity $fragment.podAntiAffinity }}{{ $fragment = dict "affinity" $fragment }}{{ end }}
{{- $tolerations := .Values.tolerations }}
{{- if kindIs "map" $tolerations }}{{ $tolerations = $tolerations.tolerations }}{{ end }}
{{- $spread := .Values.topologySpreadConstraints | default (include "kask.spread" . | fromYamlArray) }}
{{- $ours := dict "topologySpreadConstraints" $spread }}
{{- with $tolerations }}{{ $_ := set $ours "tolerations" . }}{{ end }}
{{- toYaml (merge $fragment $ours) | nindent 0 }}
{{- end }}

{{- define "kask.spread" -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "kask.selector" $ | nindent 6 }}
{{- end }}
{{- end }}
