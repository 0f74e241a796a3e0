// Runs the pods of rendered objects as processes, so that what a chart says is tried and not only
// looked at: each pod has a network of its own, the names of its service, its variables, and its
// volumes at their places, in a mount namespace over this machine's /etc and /var/lib.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { join } from 'node:path';
import type { Network } from '../process/namespaces.ts';
import { SteleProcess, until } from '../process/stele-process.ts';
import type { Container, HttpProbe, KubernetesObject, PodSpec, Volume } from './chart.ts';

const NAMESPACE = 'default';
const DOMAIN = `${NAMESPACE}.svc.cluster.local`;

/**
 * Overlays that only the process and its children see, then each volume, then the program that
 * follows `--`.
 */
const MOUNTED = `
  set -e
  mount -t tmpfs tmpfs /mnt
  for path in etc var/lib; do
    mkdir -p "/mnt/$path/upper" "/mnt/$path/work"
    mount -t overlay overlay -o "lowerdir=/$path,upperdir=/mnt/$path/upper,workdir=/mnt/$path/work" "/$path"
  done
  mount --bind "/etc/netns/$1/hosts" /etc/hosts; shift
  while [ "$1" != -- ]; do
    mkdir -p "$2"; mount --bind "$1" "$2"; shift 2
  done
  shift
  exec "$@"`;

export interface Pod {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of its headless service; empty if it has none. */
  readonly serviceName: string;
  readonly spec: PodSpec;
}

/** The pods that Kubernetes would make of the objects; those for `helm test` as well. */
export function podsOf(objects: readonly KubernetesObject[]): Pod[] {
  return objects.flatMap(({ kind, metadata, spec }): Pod[] => {
    const { name } = metadata;
    if (kind === 'Pod') {
      return [{ name, labels: metadata.labels, serviceName: '', spec: spec as PodSpec }];
    }
    const { replicas = 1, serviceName = '', template } = spec ?? {};
    if (template === undefined) return [];
    const { labels } = template.metadata;
    return Array.from({ length: replicas }, (_, at) => ({
      name: `${name}-${at}`,
      labels,
      serviceName,
      spec: template.spec,
    }));
  });
}

export class PodRunner {
  readonly pods: readonly Pod[];
  readonly #objects: readonly KubernetesObject[];
  readonly #network: Network;
  readonly #folder: string;
  readonly #secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly #running = new Map<string, SteleProcess>();

  /**
   * `network` has a namespace of the name of each pod, `secrets` the contents of secrets by name
   * and key, and `names` more names by the namespace that they lead to.
   */
  constructor(
    objects: readonly KubernetesObject[],
    network: Network,
    folder: string,
    secrets: Readonly<Record<string, Readonly<Record<string, string>>>>,
    names: Readonly<Record<string, string>> = {},
  ) {
    this.#objects = objects;
    this.#network = network;
    this.#folder = folder;
    this.#secrets = secrets;
    this.pods = podsOf(objects);
    network.setHosts({ ...this.#names(), ...names });
  }

  /** Starts all pods but those for tests; resolves when each passes its probes. */
  async start(deadlineMs = 60_000): Promise<void> {
    const lasting = this.pods.filter(
      ({ labels }) => labels['app.kubernetes.io/component'] !== 'test',
    );
    for (const pod of lasting) this.#running.set(pod.name, this.run(pod, containerOf(pod).args));
    for (const pod of lasting) {
      const { livenessProbe, readinessProbe } = containerOf(pod);
      for (const probe of [livenessProbe, readinessProbe]) {
        const passes = (): Promise<boolean> => this.#passes(pod, probe.httpGet);
        await until(`${pod.name} ${probe.httpGet.path}`, passes, deadlineMs, 200).catch(
          (thrown: unknown) => {
            const logs = lasting.map(({ name }) => `${name}:\n${this.log(name)}`);
            throw new Error(`${String(thrown)}\n${logs.join('\n')}`);
          },
        );
      }
    }
  }

  /** Those that `start` has started. */
  get running(): Pod[] {
    return this.pods.filter(({ name }) => this.#running.has(name));
  }

  /** What the process of a running pod has logged. */
  log(name: string): string {
    return this.#running.get(name)?.stderr ?? '';
  }

  pod(name: string): Pod {
    const found = this.pods.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no pod ${name}`);
    return found;
  }

  /** `stele` with these words in the container of a pod, as `kubectl exec` would run it. */
  run(pod: Pod, words: readonly string[]): SteleProcess {
    const mounts = (containerOf(pod).volumeMounts ?? []).flatMap(({ mountPath, name }) => [
      this.#volume(pod, name),
      mountPath,
    ]);
    const { within } = this.#network.placeOf(pod.name);
    const [, , , namespace = ''] = within;
    const inMounts = ['unshare', '--mount', 'sh', '-c', MOUNTED, 'sh', namespace, ...mounts, '--'];
    return new SteleProcess(words, { within: [...within, ...inMounts], env: environmentOf(pod) });
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<(number | null)[]> {
    const ended = await Promise.all([...this.#running.values()].map((one) => one.kill(signal)));
    this.#running.clear();
    return ended.map(({ code }) => code);
  }

  /** What DNS would answer: services, and the pods of headless ones. */
  #names(): Record<string, string[]> {
    const names: Record<string, string[]> = {};
    for (const { kind, metadata, spec } of this.#objects) {
      if (kind !== 'Service') continue;
      const selected = this.pods.filter(({ labels }) =>
        Object.entries(spec.selector ?? {}).every(([key, value]) => labels[key] === value),
      );
      const pods = selected.map(({ name }) => name);
      names[metadata.name] = pods;
      names[`${metadata.name}.${DOMAIN}`] = pods;
      if (spec.clusterIP !== 'None') continue;
      for (const pod of selected.filter(({ serviceName }) => serviceName === metadata.name)) {
        names[`${pod.name}.${metadata.name}.${DOMAIN}`] = [pod.name];
      }
    }
    return names;
  }

  /** The folder of a volume; a claim, and an emptyDir, is one of the pod. */
  #volume(pod: Pod, name: string): string {
    const folder = join(this.#folder, pod.name, name);
    mkdirSync(folder, { recursive: true });
    const volume = pod.spec.volumes?.find((one) => one.name === name);
    for (const [key, text] of Object.entries(this.#contents(volume))) {
      writeFileSync(join(folder, key), text);
      chmodSync(join(folder, key), 0o440);
    }
    return folder;
  }

  #contents(volume: Volume | undefined): Readonly<Record<string, string>> {
    const { configMap, secret } = volume ?? {};
    const isIt = ({ kind, metadata }: KubernetesObject): boolean =>
      kind === 'ConfigMap' && metadata.name === configMap?.name;
    if (configMap !== undefined) return this.#objects.find(isIt)?.data ?? {};
    return secret === undefined ? {} : (this.#secrets[secret.secretName] ?? {});
  }

  #passes(pod: Pod, { path, port, scheme }: HttpProbe): Promise<boolean> {
    const number = containerOf(pod).ports.find(({ name }) => name === port)?.containerPort ?? 0;
    const get = scheme === 'HTTPS' ? getHttps : getHttp;
    const host = this.#network.hostOf(pod.name);
    return new Promise((resolve) => {
      const options = { host, port: number, path, timeout: 2000, rejectUnauthorized: false };
      get(options, (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      }).on('error', () => resolve(false));
    });
  }
}

function containerOf(pod: Pod): Container {
  const [container] = pod.spec.containers;
  if (container === undefined) throw new Error(`${pod.name} has no container`);
  return container;
}

/** With `$(NAME)` replaced by the variables before. */
function environmentOf(pod: Pod): Record<string, string> {
  const fields: Readonly<Record<string, string>> = {
    'metadata.name': pod.name,
    'metadata.namespace': NAMESPACE,
  };
  const environment: Record<string, string> = {};
  for (const { name, value, valueFrom } of containerOf(pod).env) {
    const text = value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''] ?? '';
    environment[name] = text.replaceAll(
      /\$\((\w+)\)/g,
      (_, other: string) => environment[other] ?? '',
    );
  }
  return environment;
}
