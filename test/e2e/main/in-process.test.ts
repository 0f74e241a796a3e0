// A whole cluster in one process: `stele up --in-process`, and `startCluster()` of the package.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { connectCluster, connectRedis, getValue } from '../../support/readers/sources.ts';
import {
  ANY_PORTS,
  flags,
  PROJECT,
  stele,
  SteleProcess,
} from '../../support/process/stele-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'stele-in-process-'));
const sample = join(folder, 'rows.data');

beforeAll(() => writeFileSync(sample, 'a one\nb two\nc three\n'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('stele up --in-process serves HTTP, RESP and loads, and ends with 0 on SIGTERM', async () => {
  const up = new SteleProcess([
    'up',
    '--in-process',
    ...flags({ 'data-dir': join(folder, 'up'), load: `letters=${sample}`, shards: 16 }),
    ...ANY_PORTS,
  ]);
  onTestFinished(async () => void (await up.kill()));
  await up.printed(/^ready$/m, 60_000);
  const [master, ...nodes] = up.addresses();
  if (master === undefined) throw new Error(up.stdout);
  expect([master, ...nodes].map(({ pid }) => pid)).toEqual(Array(4).fill(up.pid));

  expect(String(await getValue(`http://127.0.0.1:${master.http}`, 'letters', 'b'))).toBe('two');
  const redis = connectRedis(master, 'letters');
  const direct = connectCluster(nodes, 'letters');
  onTestFinished(() => {
    redis.disconnect();
    direct.disconnect();
  });
  expect(await redis.mget('a', 'b', 'c', 'd')).toEqual(['one', 'two', 'three', null]);
  expect(await Promise.all(['a', 'b', 'c'].map((key) => direct.get(key)))).toEqual([
    'one',
    'two',
    'three',
  ]);

  const more = join(folder, 'more.data');
  writeFileSync(more, 'd four\n');
  const loaded = await stele([
    'load',
    'more',
    more,
    ...flags({ master: `127.0.0.1:${master.grpc}`, 'work-dir': join(folder, 'work') }),
  ]);
  expect(loaded.stderr).toBe('');
  expect(loaded.code).toBe(0);
  expect(String(await getValue(`http://127.0.0.1:${master.http}`, 'more', 'd'))).toBe('four');

  const done = await up.kill('SIGTERM');
  expect({ code: done.code, signal: done.signal }).toEqual({ code: 0, signal: null });
});

/** A user's program, which ends by itself only if close() leaves no handle open. */
const PROGRAM = `
import { get } from 'node:http';
import { createConnection } from 'node:net';
const { startCluster, SteleClient } = await import(process.argv[2]);
const cluster = await startCluster({ datanodes: 3, shards: 16 });
const summary = await cluster.load('letters', [process.argv[3]]);
const { host, ports } = cluster.master;
const http = await new Promise((resolve, reject) => {
  get({ host, port: ports.http, path: '/v1/keyspaces/letters/keys/a', agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (part) => (text += part));
    response.once('end', () => resolve(response.statusCode + ' ' + text));
  }).once('error', reject);
});
const resp = await new Promise((resolve, reject) => {
  let text = '';
  const socket = createConnection({ host, port: ports.resp }).setEncoding('latin1');
  socket.once('error', reject).on('data', (part) => (text += part)).once('close', () => resolve(text));
  socket.write('SELECT letters\\r\\nGET b\\r\\nQUIT\\r\\n');
});
const client = new SteleClient({ seeds: [host + ':' + ports.grpc] });
const grpc = String(await client.get('letters', 'c'));
await client.close();
await cluster.close();
console.log(JSON.stringify({ loaded: summary.loaded, nodes: cluster.datanodes.length, http, resp, grpc }));
`;

test('startCluster() loads and reads; after close() the program ends by itself', async () => {
  const script = join(folder, 'program.mjs');
  writeFileSync(script, PROGRAM);
  const library = pathToFileURL(join(PROJECT, 'dist', 'embedded', 'library.js')).href;
  const program = new SteleProcess([library, sample], { script });
  onTestFinished(async () => void (await program.kill()));
  const done = await program.finished();
  expect(done.stderr).toBe('');
  expect({ code: done.code, signal: done.signal }).toEqual({ code: 0, signal: null });
  expect(JSON.parse(done.stdout)).toEqual({
    loaded: 3,
    nodes: 3,
    http: '200 one',
    resp: '+OK\r\n$3\r\ntwo\r\n+OK\r\n',
    grpc: 'three',
  });
});
