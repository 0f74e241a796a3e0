{{/*
The parts that the pods of all components have. Each takes (list $ COMPONENT), where COMPONENT is also the key in the
values: master, datanode or query. For the datanodes of a zone it is (list $ "datanode" ZONE).
*/}}

{{- define "stele.zone" -}}
{{- if gt (len .) 2 }}{{ index . 2 }}{{ end }}
{{- end }}

{{/* Metadata of the pod: a changed setting, or a changed Secret of the chart, starts the pods again. */}}
{{- define "stele.podMetadata" -}}
{{- $ := index . 0 -}}
{{- $own := index $.Values (index . 1) -}}
labels:
  {{- include "stele.selector" . | nindent 2 }}
  {{- with include "stele.zone" . }}
  stele/zone: {{ . }}
  {{- end }}
annotations:
  stele/settings: {{ include "stele.settings" . | sha256sum | trunc 16 | quote }}
  {{- with $own.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "stele.podSpec" -}}
{{- $args := . -}}
{{- $ := index . 0 -}}
{{- $own := index $.Values (index . 1) -}}
serviceAccountName: {{ include "stele.name" $ }}
automountServiceAccountToken: false
# Variables such as STELE_MASTER_PORT=tcp://... would look like settings.
enableServiceLinks: false
{{- with $.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- $nodes := $own.nodeSelector }}
{{- with include "stele.zone" . }}{{ $nodes = merge (dict "topology.kubernetes.io/zone" .) $nodes }}{{ end }}
{{- with $nodes }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range $key, $when := dict "topology.kubernetes.io/zone" $own.topologySpread.zone "kubernetes.io/hostname" $own.topologySpread.host }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $when }}
    labelSelector:
      matchLabels:
        {{- include "stele.selector" $args | nindent 8 }}
  {{- end }}
{{- end }}

{{- define "stele.container" -}}
{{- $ := index . 0 -}}
{{- $role := index . 1 -}}
{{- $own := index $.Values $role -}}
name: {{ $role }}
image: "{{ $.Values.image.repository }}:{{ $own.imageTag | default $.Values.image.tag | default $.Chart.AppVersion }}"
imagePullPolicy: {{ $.Values.image.pullPolicy }}
args: [{{ $role }}, --config, /etc/stele/settings/{{ $role }}.yaml]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
resources:
  {{- toYaml $own.resources | nindent 2 }}
# The process answers from the first moment on, whatever it has to verify.
livenessProbe:
  httpGet: { path: /livez, port: http, scheme: {{ include "stele.scheme" $ }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: http, scheme: {{ include "stele.scheme" $ }} }
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}

{{/* The environment of a container: its own place, and what commands in it (kubectl exec) need as well. */}}
{{- define "stele.environment" -}}
{{- $ := index . 0 -}}
{{- $role := index . 1 -}}
{{- $own := index $.Values $role -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: STELE_MASTER
  value: {{ include "stele.name" $ }}-master.$(POD_NAMESPACE).svc.{{ $.Values.clusterDomain }}:8400
{{- if ne $role "query" }}
- name: STELE_ANNOUNCE_HOST
  value: $(POD_NAME).{{ include "stele.name" $ }}-{{ $role }}.$(POD_NAMESPACE).svc.{{ $.Values.clusterDomain }}
{{- end }}
{{- if $own.zoneFromPodLabel }}
- name: STELE_ZONE
  valueFrom: { fieldRef: { fieldPath: "metadata.labels['topology.kubernetes.io/zone']" } }
{{- end }}
{{- with $own.nodeOptions }}
- name: NODE_OPTIONS
  value: {{ . | quote }}
{{- end }}
{{- with include "stele.clientEnvironment" $ }}
{{ trim . }}
{{- end }}
{{- with $own.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What a client of the cluster shows, and trusts. */}}
{{- define "stele.clientEnvironment" -}}
{{- if .Values.auth.enabled }}
- name: STELE_USER
  value: admin
- name: STELE_PASSWORD_FILE
  value: /etc/stele/secrets/admin-password
{{- end }}
{{- if .Values.tls.enabled }}
- name: STELE_TLS_CA
  value: /etc/stele/tls/ca.crt
{{- end }}
{{- end }}

{{- define "stele.mounts" -}}
{{- $ := index . 0 -}}
- name: settings
  mountPath: /etc/stele/settings
  readOnly: true
{{- with include "stele.clientMounts" $ }}
{{ trim . }}
{{- end }}
{{- end }}

{{- define "stele.clientMounts" -}}
{{- if .Values.auth.enabled }}
- name: secrets
  mountPath: /etc/stele/secrets
  readOnly: true
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  mountPath: /etc/stele/tls
  readOnly: true
{{- end }}
{{- end }}

{{- define "stele.volumes" -}}
{{- $ := index . 0 -}}
- name: settings
  configMap:
    name: {{ include "stele.name" $ }}-settings
{{- with include "stele.clientVolumes" $ }}
{{ trim . }}
{{- end }}
{{- end }}

{{- define "stele.clientVolumes" -}}
{{- if .Values.auth.enabled }}
- name: secrets
  secret:
    secretName: {{ include "stele.authSecret" . }}
    defaultMode: 0440
{{- end }}
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ include "stele.tlsSecret" . }}
    defaultMode: 0440
{{- end }}
{{- end }}

{{/* A volume claim of a StatefulSet: its `persistence` of the values. */}}
{{- define "stele.claim" -}}
- metadata:
    name: data
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .storageClass }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests:
        storage: {{ .size }}
{{- end }}
