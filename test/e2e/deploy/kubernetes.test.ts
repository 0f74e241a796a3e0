// The Helm chart and the kustomize base: accepted by helm and kubectl, valid by the types of the
// API of Kubernetes, consistent in themselves, and with settings that Stele knows.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkFileKeys, optionsOf, resolveSettings } from '../../../base/config.ts';
import { readSettingsFile } from '../../../cli/settings-sources.ts';
import { loadAllVerbs } from '../../../cli/verbs.ts';
import { PROJECT } from '../../support/process/stele-process.ts';
import {
  exampleFiles,
  hasKubernetesTools,
  objectsOf,
  render,
  runHelm,
} from '../../support/kubernetes/chart.ts';
import type { Container, KubernetesObject, PodSpec } from '../../support/kubernetes/chart.ts';
import { typeProblems } from '../../support/kubernetes/types.ts';
import { tempDir } from '../../support/temp-dir.ts';

const isPossible = hasKubernetesTools();
const CASES: [string, string | undefined][] = [
  ['its own values', undefined],
  ...exampleFiles().map((path): [string, string] => [basename(path), path]),
];

function podsOf(objects: readonly KubernetesObject[]): PodSpec[] {
  return objects.flatMap(({ kind, spec }) => {
    if (kind === 'Pod') return [spec as PodSpec];
    return spec?.template === undefined ? [] : [spec.template.spec];
  });
}

/** Of an object with a template, the labels of its pods. */
function podLabels({ spec }: KubernetesObject): Readonly<Record<string, string>> | undefined {
  return spec?.template?.metadata.labels;
}

describe.skipIf(!isPossible).each(CASES)('the chart with %s', (_name, values) => {
  const objects = isPossible ? render(values) : [];
  const named = (kind: string): string[] =>
    objects.filter((one) => one.kind === kind).map((one) => one.metadata.name);

  test('passes helm lint', () => {
    const { output, status } = runHelm('lint', values === undefined ? [] : ['-f', values]);
    expect(output).not.toMatch(/WARNING|ERROR/);
    expect(status).toBe(0);
  });

  test('makes objects that the API of Kubernetes takes', () => {
    expect(typeProblems(objects)).toEqual([]);
  });

  test('selects pods that there are, and names ports that they have', () => {
    const templates = objects.filter((one) => podLabels(one) !== undefined);
    for (const { kind, metadata, spec } of objects) {
      const selector = spec?.selector?.matchLabels ?? spec?.podSelector?.matchLabels;
      const wanted = kind === 'Service' ? spec.selector : selector;
      if (wanted === undefined || kind === 'ServiceMonitor') continue;
      const selected = templates.filter((one) =>
        Object.entries(wanted).every(([key, value]) => podLabels(one)?.[key] === value),
      );
      expect(selected, `${kind} ${metadata.name}`).not.toEqual([]);
      const ports = [
        ...(spec.ports?.map(({ targetPort }) => targetPort) ?? []),
        ...(spec.ingress?.flatMap((rule) => rule.ports.map(({ port }) => port)) ?? []),
      ];
      const known = selected.flatMap((one) => one.spec.template?.spec.containers[0]?.ports ?? []);
      expect(known.map(({ name }) => name)).toEqual(expect.arrayContaining(ports));
    }
    for (const { spec } of objects.filter(({ kind }) => kind === 'StatefulSet')) {
      expect(named('Service')).toContain(spec.serviceName);
    }
  });

  test('mounts volumes that there are', () => {
    for (const { kind, metadata, spec } of objects) {
      const pod = kind === 'Pod' ? (spec as PodSpec) : spec?.template?.spec;
      if (pod === undefined) continue;
      const claims = spec.volumeClaimTemplates?.map((one) => one.metadata.name) ?? [];
      const volumes = [...claims, ...(pod.volumes ?? []).map(({ name }) => name)].toSorted();
      const mounts = (pod.containers[0]?.volumeMounts ?? []).map(({ name }) => name).toSorted();
      expect(mounts, metadata.name).toEqual(volumes);
      for (const { configMap } of pod.volumes ?? []) {
        if (configMap !== undefined) expect(named('ConfigMap')).toContain(configMap.name);
      }
    }
  });

  test('runs everything without rights that it does not need', () => {
    for (const pod of podsOf(objects)) {
      expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
      for (const { securityContext } of pod.containers) {
        expect(securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
  });

  test('gives every process settings that it knows', async () => {
    const verbs = await loadAllVerbs();
    const folder = tempDir();
    const settings = objects.find(({ kind }) => kind === 'ConfigMap')?.data ?? {};
    const containers = podsOf(objects).flatMap((pod) => pod.containers);
    for (const container of containers) {
      const [name = '', ...words] = container.args;
      const verb = verbs.find((one) => one.name === name);
      if (verb === undefined) throw new Error(`there is no verb ${name}`);
      const environment = environmentOf(container);
      const known = new Set(
        verbs.flatMap(({ schema }) => optionsOf(schema).map((info) => info.environment)),
      );
      const own = Object.keys(environment).filter((key) => key.startsWith('STELE_'));
      expect(own.filter((key) => !known.has(key))).toEqual([]);
      const [flag, path = ''] = words;
      if (flag !== '--config') continue;
      const file = join(folder, basename(path));
      writeFileSync(file, settings[basename(path)] ?? '');
      const { values: given } = await readSettingsFile(file);
      // Those of this verb, not of any: the file is for one process.
      checkFileKeys(given, [verb.schema]);
      resolveSettings(verb.schema, { flags: {}, environment, file: given });
    }
  });
});

function environmentOf({ env }: Container): Record<string, string> {
  return Object.fromEntries(env.map(({ name, value }) => [name, value ?? 'from-the-pod']));
}

describe.skipIf(!isPossible)('the chart', () => {
  test.each([
    ['master.replicas=3', 'master.replicas: a catalog on a volume belongs to one master'],
    ['master.metadata=etcd', 'master.etcd.endpoints: name the members of etcd'],
    ['tls.enabled=true', 'tls.existingSecret: name a Secret'],
    ['bogus=1', "additional properties 'bogus' not allowed"],
    ['datanode.replicas=0', 'minimum'],
  ])('refuses %s, and says why', (value, sentence) => {
    const { output, status } = runHelm('template', ['--set', value]);
    expect(status).not.toBe(0);
    expect(output).toContain(sentence);
  });

  test('finds a field that does not exist, and a value of another type', () => {
    const [first, ...rest] = render(undefined).filter(({ kind }) => kind === 'StatefulSet');
    const broken = JSON.parse(JSON.stringify(first).replace('"livenessProbe"', '"livenessProb"'));
    const other = { ...first, spec: { ...first?.spec, replicas: 'three' } };
    const objects = [broken, other, ...rest] as KubernetesObject[];
    const problems = typeProblems(objects);
    expect(problems).toHaveLength(2);
    expect(problems.join()).toContain(`'"livenessProb"' does not exist`);
    expect(problems.join()).toContain("Type 'string' is not assignable to type 'number'");
  });

  test('is of the version that it installs', () => {
    const read = (path: string): string => readFileSync(join(PROJECT, path), 'utf8');
    const { version } = JSON.parse(read('package.json')) as { version: string };
    const { appVersion } = parse(read('deploy/helm/stele/Chart.yaml')) as { appVersion: string };
    expect(appVersion).toBe(version);
  });

  test('keeps names apart where two releases are in one namespace', () => {
    const { output } = runHelm('template', [], 'second');
    const names = objectsOf(output).map(({ metadata }) => metadata.name);
    expect(names.every((name) => name.startsWith('second-stele'))).toBe(true);
  });
});

describe.skipIf(!isPossible)('the kustomize base', () => {
  test('is what the chart renders', () => {
    const file = join(tempDir(), 'stele.yaml');
    const script = join(PROJECT, 'deploy/kustomize/render.mjs');
    expect(spawnSync(process.execPath, [script, file]).status).toBe(0);
    const base = readFileSync(join(PROJECT, 'deploy/kustomize/base/stele.yaml'), 'utf8');
    expect(readFileSync(file, 'utf8'), 'run `npm run kustomize`').toBe(base);
  });

  test('is built with the example of an overlay', () => {
    const folder = tempDir();
    const files = [
      'base/kustomization.yaml',
      'base/stele.yaml',
      'example/kustomization.yaml',
      'example/namespace.yaml',
    ];
    for (const name of files) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      copyFileSync(join(PROJECT, 'deploy/kustomize', name), join(folder, name));
    }
    for (const name of ['cluster-secret', 'admin-password', 'metrics-token']) {
      writeFileSync(join(folder, 'example', name), '0123456789abcdef');
    }
    const built = spawnSync('kubectl', ['kustomize', join(folder, 'example')], {
      encoding: 'utf8',
    });
    expect(built).toMatchObject({ status: 0, stderr: '' });
    const objects = objectsOf(built.stdout);
    expect(typeProblems(objects)).toEqual([]);
    const datanodes = objects.find(({ metadata }) => metadata.name === 'stele-datanode');
    expect(objects.some(({ kind }) => kind === 'Secret')).toBe(true);
    expect(datanodes).toBeDefined();
    const images = podsOf(objects).map(({ containers }) => JSON.stringify(containers));
    for (const one of images) expect(one).toContain('"image":"registry.example.com/stele:0.1.0"');
  });
});
