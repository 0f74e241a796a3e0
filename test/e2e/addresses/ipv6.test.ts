// A cluster in networks that have IPv6 alone: everything listens, announces, dials and is read
// there.

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { Network } from '../../support/process/namespaces.ts';
import { SteleProcess, flags, stele, until } from '../../support/process/stele-process.ts';
import { connectCluster, getValue } from '../../support/readers/sources.ts';

const NODES = ['node-0', 'node-1', 'node-2'];
const network = Network.make(['master', ...NODES], 6);
const rows = new VersionedRows(500);
const keys = Array.from({ length: rows.count }, (_, index) => rows.key(index));
let cluster: TestCluster;

beforeAll(async () => {
  if (network === undefined) return;
  const placeOf = network.placeOf.bind(network);
  cluster = await TestCluster.start({ placeOf });
  await cluster.loadRows('default', rows, 1);
  await cluster.status('green');
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  network?.remove();
});

/** As clients of Redis want it: without brackets. */
function hostOf(name: string): string {
  return network?.placeOf(name).host ?? '';
}

describe.skipIf(network === undefined)('without IPv4', () => {
  test('a value is read by HTTP, by the Redis protocol, by a cluster client and by the library', async () => {
    const [key = ''] = keys;
    const wanted = rows.value(key, 1);
    expect(String(await getValue(cluster.url(''), 'default', key))).toBe(wanted);
    const redis = new Redis({ host: hostOf('master'), port: cluster.master.resp });
    onTestFinished(() => redis.disconnect());
    expect(await redis.get(key)).toBe(wanted);
    const seeds = NODES.map((id) => ({ host: hostOf(id), resp: cluster.node(id).resp }));
    const ofCluster = connectCluster(seeds, 'default');
    onTestFinished(() => ofCluster.disconnect());
    for (const one of keys) expect(await ofCluster.get(one)).toBe(rows.value(one, 1));
    const library = new SteleClient({ seeds: [cluster.masterGrpc] });
    onTestFinished(() => library.close());
    expect(String(await library.get('default', key))).toBe(wanted);
  });

  test('the command line takes and prints addresses in brackets', async () => {
    const master = flags({ master: cluster.masterGrpc });
    const { code, stdout } = await stele(['nodes', ...master, '-o', 'wide']);
    expect(code).toBe(0);
    for (const id of NODES) expect(stdout).toContain(`[${hostOf(id)}]:${cluster.node(id).resp}`);
    const unclear = await stele(['nodes', '--master', `${hostOf('master')}:1`]);
    expect(unclear).toMatchObject({ code: 2 });
    expect(unclear.stderr).toContain('as in 127.0.0.1:8400 or [::1]:8400');
  });

  test('a datanode that listens everywhere announces its address of IPv6, and lost copies are made again', async () => {
    await cluster.kill('node-2');
    await cluster.startNode('node-2', flags({ host: '::', insecure: true }));
    await cluster.nodesServing(3);
    await cluster.status('green');
    expect(cluster.node('node-2').host).toBe(`[${hostOf('node-2')}]`);
    for (const key of keys.slice(0, 50)) {
      expect(String(await getValue(cluster.url(''), 'default', key))).toBe(rows.value(key, 1));
    }
  });

  test('a query node on :: answers at the loopback address', async () => {
    const within = network?.placeOf('node-0').within ?? [];
    const words = ['query', ...flags({ host: '::', insecure: true, master: cluster.masterGrpc })];
    const query = new SteleProcess(words, { within });
    onTestFinished(() => void query.kill());
    await query.printed(/ grpc \S+:\d+\n/);
    const inside = async (...command: string[]): Promise<string> => {
      const running = new SteleProcess(command, { within });
      return (await running.finished()).stdout;
    };
    const ask = ['cli', '-h', '::1', '-p', '7379', 'GET', keys[0] ?? ''];
    await until('a value', async () => (await inside(...ask)).includes(rows.value('key-0', 1)));
    expect(await inside('status', ...flags({ master: '[::1]:8400' }))).toMatch(/^status +green$/m);
  });
});
