// Datanodes that nobody reaches at their own addresses and ports: each listens on the loopback
// address of a network of its own, and a mapping of ports, as a container engine makes it, is the
// only way in.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { HERE, Network } from '../../support/process/namespaces.ts';
import { flags, until } from '../../support/process/stele-process.ts';
import { guard } from '../../support/process/watchdog.ts';
import { connectCluster } from '../../support/readers/sources.ts';

const NODES = ['node-0', 'node-1', 'node-2'];
/** Inside, by the names of the flags; outside each is 10,000 higher. */
const PORTS = { 'http-port': 9001, 'resp-port': 7380, 'grpc-port': 8401 };
const STEP = 10_000;
const MAPPING = `
  const { connect, createServer } = require('node:net');
  const [host, ...ports] = process.argv.slice(1);
  for (const port of ports.map(Number)) {
    createServer({ noDelay: true }, (from) => {
      const to = connect({ host: '127.0.0.1', port, noDelay: true });
      from.pipe(to).pipe(from);
      for (const [one, other] of [[from, to], [to, from]])
        one.on('error', () => undefined).on('close', () => other.destroy());
    }).listen(port + ${STEP}, host);
  }`;

const network = Network.make(NODES);
const rows = new VersionedRows(1000);
const mappings: ChildProcess[] = [];
let cluster: TestCluster;

const hostOf = (id: string): string => network?.placeOf(id).host ?? '';

function startMapping(id: string): void {
  const [program = '', ...words] = network?.placeOf(id).within ?? [];
  const args = [process.execPath, '-e', MAPPING, hostOf(id), ...Object.values(PORTS).map(String)];
  const child = spawn(program, [...words, ...args], { stdio: 'ignore' });
  guard(child.pid ?? -1);
  mappings.push(child);
}

function mappedFlags(id: string): string[] {
  const announced = Object.entries(PORTS).map(([flag, port]) => [`announce-${flag}`, port + STEP]);
  return [
    ...flags({ ...PORTS, host: '127.0.0.1', 'announce-host': hostOf(id) }),
    ...flags(Object.fromEntries(announced) as Record<string, number>),
  ];
}

beforeAll(async () => {
  if (network === undefined) return;
  for (const id of NODES) startMapping(id);
  const bridge = network.hostOf(HERE);
  cluster = await TestCluster.start({
    datanodes: 0,
    masterFlags: flags({ host: bridge, insecure: true, 'repair-delay': '0s' }),
    placeOf: (name) =>
      NODES.includes(name) ? network.placeOf(name) : { within: [], host: bridge },
  });
  await Promise.all(NODES.map((id) => cluster.startNode(id, mappedFlags(id))));
  await cluster.nodesServing(3);
  await cluster.loadRows('default', rows, 1);
  await cluster.status('green');
}, 90_000);

afterAll(async () => {
  await cluster?.close();
  for (const mapping of mappings) mapping.kill('SIGKILL');
  network?.remove();
});

describe.skipIf(network === undefined)('behind a mapping of ports', () => {
  test('the own ports are not reachable, so that what follows shows something', () => {
    expect(network?.reaches(HERE, 'node-0', PORTS['http-port'])).toBe(false);
    expect(network?.reaches(HERE, 'node-0', PORTS['http-port'] + STEP)).toBe(true);
  });

  test('cluster clients are sent to the mapped ports, and the library reads there', async () => {
    const resp = PORTS['resp-port'] + STEP;
    const client = connectCluster([{ host: hostOf('node-0'), resp }], 'default');
    onTestFinished(() => client.disconnect());
    for (let index = 0; index < rows.count; index += 7) {
      const key = rows.key(index);
      expect(await client.get(key)).toBe(rows.value(key, 1));
    }
    const one = new Redis({ host: hostOf('node-0'), port: resp });
    onTestFinished(() => one.disconnect());
    const slots = JSON.stringify(await one.call('CLUSTER', 'SLOTS'));
    expect(slots).toContain(`"${hostOf('node-1')}",${resp}`);
    expect(slots).not.toContain(`,${PORTS['resp-port']},`);
    const library = new SteleClient({ seeds: [cluster.masterGrpc] });
    onTestFinished(() => library.close());
    const { values } = await library.getMany('default', [rows.key(1), rows.key(2)]);
    expect(values.map(String)).toEqual([rows.value(rows.key(1), 1), rows.value(rows.key(2), 1)]);
  });

  test('datanodes copy from each other when one is lost', async () => {
    await cluster.kill('node-2');
    await until('two copies on two datanodes', async () => {
      const { shards } = (await cluster.json('/v1/cluster/health')) as {
        shards: { under_replicated: number };
      };
      return shards.under_replicated === 0;
    });
    await cluster.startNode('node-2', mappedFlags('node-2'));
    await cluster.nodesServing(3);
    await cluster.status('green');
  });
});
