{{/* The names, labels and selectors of the chart before us: a Deployment keeps its selector for life. */}}

{{- define "kask.chart" -}}
{{ .Values.chartName | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* What is made of it has up to 20 characters more, and names may have 63. */}}
{{- define "kask.name" -}}
{{- $name := printf "%s-%s" (.Values.chartName | default .Chart.Name) .Release.Name }}
{{- if gt (len $name) 43 }}{{ fail (printf "%s is too long for names of Kubernetes: 43 characters at most, of chartName and the release" $name) }}{{ end }}
{{- $name }}
{{- end }}

{{- define "kask.selector" -}}
app: {{ include "kask.chart" . }}
release: {{ .Release.Name }}
{{- end }}

{{/* Without the versions of the chart, for which alone no pod is replaced. */}}
{{- define "kask.podLabels" -}}
{{ include "kask.selector" . }}
routed_via: {{ .Values.routed_via | default .Release.Name }}
app.kubernetes.io/name: kask
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kask.labels" -}}
{{ include "kask.selector" . }}
chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
heritage: {{ .Release.Service }}
app.kubernetes.io/name: kask
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "kask.image" -}}
{{ with .Values.docker.registry }}{{ . }}/{{ end }}{{ .Values.main_app.image }}:{{ .Values.main_app.version | default .Chart.AppVersion }}
{{- end }}

{{/* Of a pod that no Service and no policy of the service takes for one of its own. */}}
{{- define "kask.testLabels" -}}
app: {{ include "kask.chart" . }}-test
release: {{ .Release.Name }}
{{- end }}
