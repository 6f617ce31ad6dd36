{{- define "countersign.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "countersign.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "countersign.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{ include "countersign.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* What cannot work, said before anything is installed. */}}
{{- define "countersign.check" -}}
{{- $v := .Values -}}
{{- if not $v.secrets.existingSecret -}}
{{- fail "secrets.existingSecret: is not set; name the Secret that holds SLACK_BOT_TOKEN." -}}
{{- end -}}
{{- if not (has "SLACK_BOT_TOKEN" $v.secrets.keys) -}}
{{- fail "secrets.keys: has no SLACK_BOT_TOKEN; add it." -}}
{{- end -}}
{{- if not (or (has "SLACK_APP_TOKEN" $v.secrets.keys) (has "SLACK_SIGNING_SECRET" $v.secrets.keys)) -}}
{{- fail "secrets.keys: has neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP); add one." -}}
{{- end -}}
{{- if eq (empty $v.policies) (empty $v.existingPolicies) -}}
{{- fail "policies: give the policy file with --set-file policies=FILE, or name a ConfigMap in existingPolicies, and not both." -}}
{{- end -}}
{{- if and $v.serviceMonitor.enabled (not (has "COUNTERSIGN_METRICS_TOKEN" $v.secrets.keys)) -}}
{{- fail "serviceMonitor.enabled: needs COUNTERSIGN_METRICS_TOKEN in secrets.keys; without it there are no metrics." -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.host) -}}
{{- fail "ingress.host: is not set; give the host name of COUNTERSIGN_PUBLIC_URL." -}}
{{- end -}}
{{- if eq $v.hub.kind "scheduler" -}}
{{- if not $v.hub.connectionString -}}
{{- fail "hub.connectionString: is not set; give the scheduler's, Endpoint=https://…;Authentication=…;TaskHub=…." -}}
{{- end -}}
{{- range $key := list "COUNTERSIGN_SECRET" "COUNTERSIGN_SIGNING_KEY" -}}
{{- if not (has $key $v.secrets.keys) -}}
{{- fail (printf "secrets.keys: has no %s; on the scheduler every pod needs the same, so add it there and to the Secret." $key) -}}
{{- end -}}
{{- end -}}
{{- if not (get $v.settings "COUNTERSIGN_RECORDS_STORE") -}}
{{- fail "settings.COUNTERSIGN_RECORDS_STORE: is not set; on the scheduler a pod's disk goes with the pod, so the records need a store." -}}
{{- end -}}
{{- else if or $v.hub.connectionString $v.tokens.existingSecret -}}
{{- fail "hub.kind: is embedded, but hub.connectionString or tokens.existingSecret is set; remove it, or set hub.kind=scheduler." -}}
{{- end -}}
{{- end -}}

{{/* The pod, the same for both kinds of hub but for what its data directory is on. */}}
{{- define "countersign.pod" -}}
metadata:
  labels:
    {{- include "countersign.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: countersign
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "countersign.fullname" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    # Else the kubelet opens the data directory to its group at every start, and the start refuses that.
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: countersign
      {{- with .Values.image }}
      image: {{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
      imagePullPolicy: {{ .pullPolicy }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      ports:
        - name: http
          containerPort: 3000
      env:
        - name: COUNTERSIGN_LISTEN
          value: 0.0.0.0:3000
        # Inside the volume, because the mode of its top is the kubelet's to set.
        - name: COUNTERSIGN_DATA_DIR
          value: /var/lib/countersign/data
        - name: COUNTERSIGN_POLICIES
          value: /etc/countersign/policies.toml
        - name: COUNTERSIGN_HUB
          value: {{ ternary .Values.hub.connectionString "embedded" (eq .Values.hub.kind "scheduler") | quote }}
        {{- if .Values.tokens.existingSecret }}
        - name: COUNTERSIGN_TOKENS
          value: /run/secrets/countersign-tokens/tokens.toml
        {{- end }}
        {{- range .Values.secrets.keys }}
        - name: {{ . }}_FILE
          value: /run/secrets/countersign/{{ . }}
        {{- end }}
        {{- range $name, $value := .Values.settings }}
        - name: {{ $name }}
          value: {{ $value | quote }}
        {{- end }}
      # /readyz is 503 while Slack or the hub is away, which a restart does not mend: it takes the pod out of the Service.
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 2
      {{- if .Values.drainSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.drainSeconds }}
      {{- end }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /var/lib/countersign
        - name: tmp
          mountPath: /tmp
        - name: policies
          mountPath: /etc/countersign
          readOnly: true
        - name: secrets
          mountPath: /run/secrets/countersign
          readOnly: true
        {{- if .Values.tokens.existingSecret }}
        - name: tokens
          mountPath: /run/secrets/countersign-tokens
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    {{- if eq .Values.hub.kind "scheduler" }}
    - name: data
      emptyDir:
        sizeLimit: 1Gi
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    - name: policies
      configMap:
        name: {{ .Values.existingPolicies | default (printf "%s-policies" (include "countersign.fullname" .)) }}
    - name: secrets
      secret:
        secretName: {{ .Values.secrets.existingSecret }}
        defaultMode: 0440
        items:
          {{- range .Values.secrets.keys }}
          - key: {{ . }}
            path: {{ . }}
          {{- end }}
    {{- if .Values.tokens.existingSecret }}
    - name: tokens
      secret:
        secretName: {{ .Values.tokens.existingSecret }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if eq .Values.hub.kind "scheduler" }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "countersign.selector" . | nindent 10 }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
