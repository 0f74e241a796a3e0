// The Helm chart, rendered by helm itself.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { PROJECT } from '../process/stele-process.ts';
import { skipping } from '../tools.ts';

const CHART = join(PROJECT, 'deploy/helm/stele');
const EXAMPLES = join(CHART, 'examples');

/** An object of Kubernetes, as far as tests look into it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: ObjectSpec;
}

interface ObjectSpec extends Partial<PodSpec> {
  readonly replicas?: number;
  readonly serviceName?: string;
  readonly clusterIP?: string;
  readonly selector?: Readonly<Record<string, string>> & {
    readonly matchLabels?: Readonly<Record<string, string>>;
  };
  readonly podSelector?: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly ports?: readonly { readonly name: string; readonly targetPort: string }[];
  readonly ingress?: readonly { readonly ports: readonly { readonly port: string }[] }[];
  readonly template?: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: PodSpec;
  };
  readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
}

export interface PodSpec {
  readonly enableServiceLinks: boolean;
  readonly automountServiceAccountToken: boolean;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsNonRoot: boolean; readonly runAsUser: number };
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string };
  readonly emptyDir?: object;
}

export interface Container {
  readonly name: string;
  readonly args: readonly string[];
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly livenessProbe: { readonly httpGet: HttpProbe };
  readonly readinessProbe: { readonly httpGet: HttpProbe };
  readonly lifecycle: { readonly preStop: { readonly exec?: { command: string[] } } };
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly securityContext: {
    readonly allowPrivilegeEscalation: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly capabilities: { readonly drop: readonly string[] };
  };
}

export interface HttpProbe {
  readonly path: string;
  readonly port: string;
  readonly scheme: 'HTTP' | 'HTTPS';
}

/** Whether helm and kubectl are there; reports like hasTool. */
export function hasKubernetesTools(): boolean {
  const commands = [
    ['helm', 'version'],
    ['kubectl', 'version', '--client'],
  ];
  const missing = commands.find(
    ([program = '', ...words]) => spawnSync(program, words).status !== 0,
  );
  if (missing !== undefined) {
    skipping(`${missing[0]} is not installed`, 'run `node .ci/kubernetes-tools.mjs`');
  }
  return missing === undefined;
}

/** The files of values that the chart has as examples. */
export function exampleFiles(): string[] {
  return readdirSync(EXAMPLES).map((name) => join(EXAMPLES, name));
}

export interface HelmRun {
  readonly status: number | null;
  readonly output: string;
}

/** `helm ACTION` on the chart; `words` are further flags. */
export function runHelm(
  action: 'lint' | 'template',
  words: readonly string[],
  release = 'stele',
): HelmRun {
  const args = action === 'lint' ? ['lint', CHART] : ['template', release, CHART];
  const { status, stderr, stdout } = spawnSync('helm', [...args, ...words], { encoding: 'utf8' });
  return { status, output: status === 0 ? stdout : `${stdout}${stderr}` };
}

/** The objects that the chart makes of a file of values, or of its own. */
export function render(
  values: string | undefined,
  words: readonly string[] = [],
): KubernetesObject[] {
  const file = values === undefined ? [] : ['-f', values];
  const { output, status } = runHelm('template', [...file, ...words]);
  if (status !== 0) throw new Error(output);
  return objectsOf(output);
}

/** The objects of a YAML text with several documents. Throws for text that is no YAML. */
export function objectsOf(text: string): KubernetesObject[] {
  return parseAllDocuments(text).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const value = document.toJS() as KubernetesObject | null;
    return value === null ? [] : [value];
  });
}
