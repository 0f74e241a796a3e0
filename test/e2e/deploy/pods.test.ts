// The chart, run: its pods as processes with the settings, variables, volumes, names and probes that it gives them.

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

describe.skipIf(!isPossible)('with TLS and users', () => {
  const values = exampleFiles().find((path) => path.endsWith('tls-secret.yaml'));
  const objects = isPossible ? render(values, ['--set', 'datanode.nodeOptions=']) : [];
  const network = isPossible
    ? Network.make([...podsOf(objects).map(({ name }) => name), 'client'])
    : undefined;
  let runner: PodRunner;

  beforeAll(async () => {
    if (network === undefined) return;
    writeFileSync(sample, 'a one\nb two\n');
    const secrets = { 'stele-auth': AUTH, 'stele-certificates': await certificates() };
    runner = new PodRunner(objects, network, join(folder, 'tls'), secrets);
    await runner.start();
  }, 120_000);
  afterAll(async () => {
    await runner?.end();
    network?.remove();
  });

  /** In the container of a pod; the exit code, and what it printed. */
  async function exec(pod: string, ...words: string[]) {
    const { code, stderr, stdout } = await runner.run(runner.pod(pod), words).finished();
    return { code, stderr, stdout };
  }

  test.skipIf(network === undefined)('commands in a pod need no flags', async () => {
    const { code, stdout } = await exec('stele-master-0', 'nodes');
    expect(code).toBe(0);
    expect(stdout.match(/^stele-datanode-\d +serving/gm)).toHaveLength(3);
  });

  test.skipIf(network === undefined)('a load from a pod is read through the service', async () => {
    const load = await exec('stele-query-0', 'load', 'rows', sample, '--work-dir', folder);
    expect(load).toMatchObject({ code: 0 });
    const get = ['cli', '-h', 'stele', '-p', '7379', '--tls', '-k', 'rows', 'GET', 'b'];
    expect(await exec('stele-query-1', ...get)).toEqual({ code: 0, stderr: '', stdout: 'two\n' });
  });

  test.skipIf(network === undefined)(
    'the hook before the end of a datanode waits for all copies',
    async () => {
      const [container] = runner.pod('stele-datanode-0').spec.containers;
      const [program, ...words] = container?.lifecycle.preStop.exec?.command ?? [];
      expect(program).toBe('stele');
      expect(await exec('stele-datanode-0', ...words)).toMatchObject({ code: 0 });
    },
  );

  test.skipIf(network === undefined)('the pod of `helm test` succeeds', async () => {
    const [container] = runner.pod('stele-test').spec.containers;
    expect(await exec('stele-test', ...(container?.args ?? []))).toMatchObject({ code: 0 });
  });

  test.skipIf(network === undefined)(
    'secrets that the group may read are no reason to warn',
    async () => {
      const { stderr } = await exec('stele-master-0', 'status');
      expect(stderr).toBe('');
      await runner.end('SIGTERM').then((codes) => expect(new Set(codes)).toEqual(new Set([0])));
    },
  );
});

describe.skipIf(!isPossible)('with several masters', () => {
  const words = [
    ...['--set', 'auth.enabled=false', '--set', 'datanode.replicas=2'],
    ...['--set', 'master.metadata=etcd', '--set', 'master.replicas=2'],
    ...['--set', 'master.etcd.endpoints={etcd:2379}'],
  ];
  const objects = isPossible ? render(undefined, words) : [];

  test('they find etcd and each other by their names, and one leads', async () => {
    const pods = podsOf(objects).map(({ name }) => name);
    const network = Network.make([...pods, 'etcd']);
    if (network === undefined) return;
    onTestFinished(() => network.remove());
    const etcd = new SteleProcess(
      [
        ...['--data-dir', join(folder, 'etcd'), '--unsafe-no-fsync'],
        ...['--listen-client-urls', 'http://0.0.0.0:2379'],
        ...['--advertise-client-urls', 'http://etcd:2379'],
      ],
      { within: network.placeOf('etcd').within, command: ['etcd'] },
    );
    onTestFinished(async () => void (await etcd.kill()));
    const runner = new PodRunner(objects, network, join(folder, 'several'), {}, { etcd: 'etcd' });
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
