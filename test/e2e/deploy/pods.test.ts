// The chart, run: its pods as processes with the settings, variables, volumes, names and probes
// that it gives them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { exampleFiles, hasKubernetesTools, render } from '../../support/kubernetes/chart.ts';
import { PodRunner, podsOf } from '../../support/kubernetes/pods.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { Network } from '../../support/process/namespaces.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { SteleProcess } from '../../support/process/stele-process.ts';

const isPossible = hasKubernetesTools() && hasEtcd();
const folder = mkdtempSync(join(tmpdir(), 'stele-pods-'));
const AUTH = {
  'cluster-secret': '0123456789abcdef0123456789abcdef',
  'admin-password': 'a password of this test',
  'metrics-token': 'fedcba9876543210fedcba9876543210',
};
const sample = join(folder, 'rows.data');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** As `stele certs` makes them, for the names in the notes of the chart. */
async function certificates(): Promise<Record<string, string>> {
  const dir = join(folder, 'certs');
  const domain = 'default.svc.cluster.local';
  const names = ['stele', 'stele-master', 'stele-datanode'].flatMap((name) => [
    name,
    `${name}.${domain}`,
    `*.${name}.${domain}`,
  ]);
  for (const words of [
    ['init', '--dir', dir],
    ['node', 'localhost', '127.0.0.1', ...names, '--name', 'node', '--dir', dir],
  ]) {
    expect(await steleShared(['certs', ...words])).toMatchObject({ code: 0 });
  }
  const read = (name: string): string => readFileSync(join(dir, name), 'utf8');
  return { 'tls.crt': read('node.crt'), 'tls.key': read('node.key'), 'ca.crt': read('ca.crt') };
}

const values = exampleFiles().find((path) => path.endsWith('tls-secret.yaml'));
const objects = isPossible ? render(values) : [];
const withEtcd = [
  ...['--set', 'auth.enabled=false', '--set', 'datanode.replicas=2'],
  ...['--set', 'master.metadata=etcd', '--set', 'master.replicas=2'],
  ...['--set', 'master.etcd.endpoints={etcd:2379}'],
];
const ofSeveral = isPossible ? render(undefined, withEtcd) : [];
const pods = podsOf([...objects, ...ofSeveral]).map(({ name }) => name);
const network = isPossible ? Network.make([...new Set(pods), 'etcd']) : undefined;
afterAll(() => network?.remove());

describe.skipIf(network === undefined)('with TLS and users', () => {
  let runner: PodRunner;

  beforeAll(async () => {
    if (network === undefined) return;
    writeFileSync(sample, 'a one\nb two\n');
    const secrets = { 'stele-auth': AUTH, 'stele-certificates': await certificates() };
    runner = new PodRunner(objects, network, join(folder, 'tls'), secrets);
    await runner.start();
  }, 120_000);
  afterAll(async () => void (await runner?.end()));

  /** `stele` in the container of a pod. */
  async function exec(pod: string, ...words: string[]) {
    const { code, stderr, stdout } = await runner.run(runner.pod(pod), words).finished();
    return { code, stderr, stdout };
  }

  test('commands in a pod need no flags', async () => {
    const { code, stdout } = await exec('stele-master-0', 'nodes');
    expect(code).toBe(0);
    expect(stdout.match(/^stele-datanode-\d +serving/gm)).toHaveLength(3);
  });

  test('a load from a pod is read through the service', async () => {
    const load = await exec('stele-query-0', 'load', 'rows', sample, '--work-dir', folder);
    expect(load).toMatchObject({ code: 0 });
    const get = ['cli', '-h', 'stele', '-p', '7379', '--tls', '-k', 'rows', 'GET', 'b'];
    expect(await exec('stele-query-1', ...get)).toEqual({ code: 0, stderr: '', stdout: 'two\n' });
  });

  test('the hook before the end of a datanode waits for all copies', async () => {
    const [container] = runner.pod('stele-datanode-0').spec.containers;
    const [program, ...words] = container?.lifecycle.preStop.exec?.command ?? [];
    expect(program).toBe('stele');
    const { code, stdout } = await exec('stele-datanode-0', ...words);
    expect(stdout).toMatch(/^status +green$/m);
    expect(code).toBe(0);
  });

  test('the pod of `helm test` succeeds', async () => {
    const [container] = runner.pod('stele-test').spec.containers;
    expect(await exec('stele-test', ...(container?.args ?? []))).toMatchObject({ code: 0 });
  });

  test('the mode of mounted secrets is no reason to warn, and every process ends with 0', async () => {
    for (const { name } of runner.running)
      expect(runner.log(name)).not.toContain('others can read');
    expect(new Set(await runner.end('SIGTERM'))).toEqual(new Set([0]));
  });
});

describe.skipIf(network === undefined)('with several masters', () => {
  test('they find etcd and each other by their names, and one leads', async () => {
    if (network === undefined) return;
    const etcd = new SteleProcess(
      [
        ...['--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync'],
        ...['--listen-client-urls', 'http://0.0.0.0:2379'],
        ...['--advertise-client-urls', 'http://etcd:2379'],
      ],
      { within: network.placeOf('etcd').within, command: ['etcd'] },
    );
    onTestFinished(async () => void (await etcd.kill()));
    const place = join(folder, 'several');
    const runner = new PodRunner(ofSeveral, network, place, {}, { etcd: 'etcd' });
    onTestFinished(async () => void (await runner.end()));
    await runner.start();
    const masters = runner.run(runner.pod('stele-master-1'), ['masters', '-o', 'json']);
    const { code, stdout } = await masters.finished();
    expect(code).toBe(0);
    for (const at of [0, 1]) {
      expect(stdout).toContain(`"stele-master-${at}.stele-master.default.svc.cluster.local:8400"`);
    }
    expect(stdout.match(/"role":"leader"|"leads":true/g)).toHaveLength(1);
  }, 120_000);
});
