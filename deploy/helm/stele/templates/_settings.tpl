{{/*
stele.yaml of a component, (list $ COMPONENT): what the chart decides, then `settings` of the values, then those of
the component. The later one counts.
*/}}
{{- define "stele.settings" -}}
{{- $ := index . 0 -}}
{{- $role := index . 1 -}}
{{- $values := $.Values -}}
{{- $own := dict "host" $values.host -}}
{{- if $values.auth.enabled -}}
{{- $_ := set $own "auth" "on" -}}
{{- $_ := set $own "cluster-secret-file" "/etc/stele/secrets/cluster-secret" -}}
{{- $_ := set $own "metrics-token-file" "/etc/stele/secrets/metrics-token" -}}
{{- else -}}
{{- $_ := set $own "insecure" true -}}
{{- end -}}
{{- if $values.tls.enabled -}}
{{- $_ := set $own "tls-ca" "/etc/stele/tls/ca.crt" -}}
{{- $_ := set $own "tls-cert" "/etc/stele/tls/tls.crt" -}}
{{- $_ := set $own "tls-key" "/etc/stele/tls/tls.key" -}}
{{- end -}}
{{- if ne $role "query" -}}
{{- $_ := set $own "data-dir" (printf "/var/lib/stele/%s" $role) -}}
{{- end -}}
{{- if eq $role "datanode" -}}
{{- $_ := set $own "restartable" true -}}
{{- end -}}
{{- if eq $role "master" -}}
{{- $own = merge (include "stele.masterSettings" $ | fromYaml) $own -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite $own (deepCopy $values.settings) (deepCopy (index $values $role).settings)) -}}
{{- end }}

{{- define "stele.masterSettings" -}}
{{- with .Values.master -}}
metadata: {{ .metadata }}
{{ if $.Values.auth.enabled -}}
admin-password-file: /etc/stele/secrets/admin-password
{{ end -}}
{{ if eq .metadata "etcd" -}}
etcd-endpoints: {{ join "," .etcd.endpoints | quote }}
etcd-prefix: {{ .etcd.prefix | quote }}
{{ if .etcd.tlsSecret -}}
etcd-ca: /etc/stele/etcd/ca.crt
{{ if .etcd.clientCertificate -}}
etcd-cert: /etc/stele/etcd/tls.crt
etcd-key: /etc/stele/etcd/tls.key
{{ end -}}
{{ end -}}
{{ if .etcd.user -}}
etcd-user: {{ .etcd.user | quote }}
etcd-password-file: /etc/stele/etcd-password/password
{{ end -}}
{{ end -}}
{{ end -}}
{{- end }}
