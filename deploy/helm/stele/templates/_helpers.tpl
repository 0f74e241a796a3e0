{{/* The name of everything: that of the release, with `stele` in it. */}}
{{- define "stele.name" -}}
{{- if contains "stele" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-stele" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that select the pods of a component: (list $ "master"). */}}
{{- define "stele.selector" -}}
app.kubernetes.io/name: stele
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* All labels of an object: (list $ "master"). */}}
{{- define "stele.labels" -}}
{{ include "stele.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{- define "stele.authSecret" -}}
{{ .Values.auth.existingSecret | default (printf "%s-auth" (include "stele.name" .)) }}
{{- end }}

{{- define "stele.tlsSecret" -}}
{{ .Values.tls.existingSecret | default (printf "%s-tls" (include "stele.name" .)) }}
{{- end }}

{{- define "stele.scheme" -}}
{{ ternary "HTTPS" "HTTP" .Values.tls.enabled }}
{{- end }}

{{/* The names under which processes and clients dial, for certificates. */}}
{{- define "stele.dnsNames" -}}
{{- $name := include "stele.name" . -}}
- localhost
{{- range list $name (printf "%s-master" $name) (printf "%s-datanode" $name) }}
- {{ . }}
- {{ . }}.{{ $.Release.Namespace }}
- {{ . }}.{{ $.Release.Namespace }}.svc
- {{ . }}.{{ $.Release.Namespace }}.svc.{{ $.Values.clusterDomain }}
{{- end }}
{{- range list "master" "datanode" }}
- '*.{{ $name }}-{{ . }}.{{ $.Release.Namespace }}.svc.{{ $.Values.clusterDomain }}'
{{- end }}
{{- end }}

{{/* Refuses values that do not go together. */}}
{{- define "stele.check" -}}
{{- if and (eq .Values.master.metadata "embedded") (ne (int .Values.master.replicas) 1) }}
{{- fail "master.replicas: a catalog on a volume belongs to one master; set it to 1, or master.metadata to etcd." }}
{{- end }}
{{- if and (eq .Values.master.metadata "etcd") (empty .Values.master.etcd.endpoints) }}
{{- fail "master.etcd.endpoints: name the members of etcd, such as [etcd-0.etcd:2379], or set master.metadata to embedded." }}
{{- end }}
{{- if and .Values.tls.enabled (empty .Values.tls.existingSecret) (not .Values.tls.certManager.enabled) }}
{{- fail "tls.existingSecret: name a Secret with tls.crt, tls.key and ca.crt, or set tls.certManager.enabled." }}
{{- end }}
{{- if and .Values.tls.certManager.enabled (empty .Values.tls.certManager.issuerRef) }}
{{- fail "tls.certManager.issuerRef: name the issuer, such as { name: stele-ca, kind: Issuer }." }}
{{- end }}
{{- if .Values.datanode.zones }}{{ if .Values.datanode.zoneFromPodLabel }}
{{- fail "datanode.zones and datanode.zoneFromPodLabel both set the zone; use one of them." }}
{{- end }}{{ end }}
{{- end }}
