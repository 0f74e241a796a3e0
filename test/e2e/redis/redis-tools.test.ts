// redis-cli with its special modes, and redis-benchmark, against a real cluster.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { Terminal } from '../../support/process/terminal.ts';
import { hasTool, runTool, withoutColours } from '../../support/tools.ts';

const ROWS = new VersionedRows(2000);
const KEYS = Array.from({ length: ROWS.count }, (_, index) => ROWS.key(index)).sort();
const NODES = ['node-0', 'node-1', 'node-2'];
const folder = mkdtempSync(join(tmpdir(), 'stele-tools-'));
const available = hasTool('redis-cli') && hasTool('redis-benchmark');
let cluster: TestCluster;

beforeAll(async () => {
  if (!available) return;
  cluster = await TestCluster.borrow();
  const file = join(folder, 'rows.data');
  await ROWS.write(file, 1);
  await cluster.load('default', [file]);
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

function cli(port: number, ...args: string[]): Promise<string> {
  return runTool('redis-cli', ['-p', String(port), ...args]).then(withoutColours);
}

const lines = (text: string): string[] => text.trimEnd().split('\n').sort();

describe.runIf(available)('redis-cli', () => {
  test('--scan lists every key once, and those of a pattern', async () => {
    expect(lines(await cli(cluster.master.resp, '--scan'))).toEqual(KEYS);
    const ones = await cli(cluster.master.resp, '--scan', '--pattern', 'key-1?');
    expect(lines(ones)).toEqual(KEYS.filter((key) => /^key-1\d$/.test(key)));
    const each = NODES.map((id) => cli(cluster.node(id).resp, '--scan'));
    expect((await Promise.all(each)).flatMap(lines).sort()).toEqual(KEYS);
  });

  test('--bigkeys and --memkeys sample the whole keyspace', async () => {
    const big = await cli(cluster.master.resp, '--bigkeys');
    expect(big).toContain(`Sampled ${KEYS.length} keys in the keyspace!`);
    expect(big).toMatch(/Biggest string found '"key-1\d\d\d"' has 32 bytes/);
    expect(big).toContain(`${KEYS.length} strings with`);
    const memory = await cli(cluster.master.resp, '--memkeys');
    expect(memory).toContain(`Sampled ${KEYS.length} keys in the keyspace!`);
    expect(memory).toMatch(/Biggest string found '"key-1\d\d\d"' has 50 bytes/);
    const node = await cli(cluster.node('node-0').resp, '--bigkeys');
    expect(node).toMatch(/Sampled [1-9]\d+ keys in the keyspace!/);
  });

  test('--stat shows keys, memory, clients and requests', async () => {
    for (const { resp } of [cluster.master, cluster.node('node-1')]) {
      const args = ['-p', String(resp), '--stat', '-i', '0.05'];
      const terminal = new Terminal('redis-cli', args, tempDir());
      await terminal.shows('keys       mem      clients blocked requests            connections');
      // keys, memory, clients, blocked, requests (and how many more), connections
      await terminal.shows(/\n[1-9]\d+ +\d+\.\d+[KMG] +[1-9]\d* +0 +\d+ \(\+\d+\) +\d+/);
    }
  });

  test('--latency measures, and -r repeats', async () => {
    expect(await cli(cluster.node('node-0').resp, '--latency', '-i', '0.2')).toMatch(
      /^\d+ \d+ \d+\.\d+ [1-9]\d*\n$/,
    );
    expect(await cli(cluster.master.resp, '-r', '3', 'PING')).toBe('PONG\nPONG\nPONG\n');
    const five = await cli(cluster.master.resp, '-r', '5', '-i', '0.01', 'GET', 'key-7');
    expect(five).toBe(`${ROWS.value('key-7', 1)}\n`.repeat(5));
  });

  test('--cluster check and info find all slots, all keys, no disagreement', async () => {
    const address = `127.0.0.1:${cluster.node('node-2').resp}`;
    const check = withoutColours(await runTool('redis-cli', ['--cluster', 'check', address]));
    expect(check).toContain('[OK] All 16384 slots covered.');
    expect(check).toContain('[OK] All nodes agree about slots configuration.');
    expect(check).toContain(`[OK] ${KEYS.length} keys in 3 masters.`);
    const info = withoutColours(await runTool('redis-cli', ['--cluster', 'info', address]));
    expect(info).toContain(`[OK] ${KEYS.length} keys in 3 masters.`);
  });

  test('-c follows redirections, one command after the other', async () => {
    const some = KEYS.slice(0, 200);
    const input = some.map((key) => `GET ${key}\n`).join('');
    const args = ['-c', '-p', String(cluster.node('node-0').resp)];
    const output = await runTool('redis-cli', args, input);
    const values = output.split('\n').filter((line) => line.startsWith('key-'));
    expect(values).toEqual(some.map((key) => ROWS.value(key, 1)));
  });

  test('hints at the arguments while a person types, from COMMAND DOCS', async () => {
    const args = ['-p', String(cluster.master.resp)];
    const terminal = new Terminal('redis-cli', args, tempDir());
    await terminal.shows('> ');
    for (const [typed, hint] of [
      ['getrange', ' key start end'],
      ['scan', ' cursor [MATCH pattern] [COUNT count] [TYPE type]'],
      ['mget', ' key [key ...]'],
      ['stele explain', ' key'],
      ['client list', ' [TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID client-id [client-id ...]]'],
      ['config get', ' parameter [parameter ...]'],
      ['memory usage', ' key [SAMPLES count]'],
      ['client setinfo', ' LIB-NAME libname|LIB-VER libver'],
      ['hello', ' [protover [AUTH username password] [SETNAME clientname]]'],
    ] as const) {
      terminal.type(`${typed} `);
      await terminal.shows(`${typed}${hint}`);
      terminal.type('\u0015');
    }
    terminal.type('get key-7\r');
    await terminal.shows(`"${ROWS.value('key-7', 1)}"`);
  });

  test('explains what cannot be done', async () => {
    const { resp } = cluster.master;
    expect(await cli(resp, 'SET', 'a', 'b')).toMatch(/^ERR SET .*immutable/);
    expect(await cli(resp, 'SUBSCRIBE', 'a')).toMatch(/no channels here/);
    expect(await cli(resp, 'EVAL', 'return 1', '0')).toMatch(/no scripting here/);
    expect(await cli(resp, 'MONITOR')).toMatch(/^ERR MONITOR .*INFO commandstats/);
    expect(lines(await cli(resp, 'KEYS', 'key-1?'))).toHaveLength(10);
    expect(await cli(resp, 'FROB', 'x')).toBe(
      "ERR unknown command 'FROB', with args beginning with: 'x' \n\n",
    );
  });
});

describe.runIf(available)('redis-benchmark', () => {
  test.each([
    ['the master', () => cluster.master.resp, []],
    ['the datanodes', () => cluster.node('node-0').resp, ['--cluster']],
  ] as const)('gets through %s, alone and pipelined', async (_, port, more) => {
    for (const depth of ['1', '32']) {
      const amount = ['-n', '3000', '-c', '20', '-P', depth, '-r', '2000'];
      const args = ['-p', String(port()), ...amount, ...more, '-q', '-t', 'get,mget'];
      const output = await runTool('redis-benchmark', args);
      expect(output).toMatch(/\d+\.\d+ requests per second/);
      expect(output).not.toMatch(/error/i);
    }
  });
});
