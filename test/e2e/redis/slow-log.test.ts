// SLOWLOG and LATENCY of a master, a datanode and a query node: the replies have the form of those
// of redis-server, over RESP2 and RESP3.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { startRedisServer } from '../../support/process/redis-server.ts';
import type { RedisServer } from '../../support/process/redis-server.ts';
import { until } from '../../support/process/stele-process.ts';
import { hasTool } from '../../support/tools.ts';
import { RawClient } from '../../resp/raw-client.ts';
import { multibulk } from '../../resp/split.ts';

const available = hasTool('redis-server');
const folder = mkdtempSync(join(tmpdir(), 'stele-slow-log-'));
let cluster: TestCluster;
let redis: RedisServer;

beforeAll(async () => {
  if (!available) return;
  cluster = await TestCluster.borrow(1);
  const file = join(folder, 'pairs.data');
  writeFileSync(file, 'k hello\n');
  [redis] = await Promise.all([
    startRedisServer([['k', 'hello']]),
    // The files that borrow it load other rows.
    cluster.load('default', [file], ['--max-shrink', '100%']),
  ]);
}, 60_000);

afterAll(async () => {
  await Promise.all([cluster?.close(), redis?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

/** The replies to commands on a connection of their own. */
async function answersTo(
  port: number,
  protocol: number,
  commands: readonly (readonly string[])[],
): Promise<string> {
  const client = new RawClient(port);
  client.send(
    protocol === 2
      ? multibulk('CLIENT', 'SETNAME', 'someone')
      : multibulk('HELLO', String(protocol)),
  );
  await client.wait(1);
  client.text = '';
  client.send(Buffer.concat(commands.map((command) => multibulk(...command))));
  await client.wait(commands.length + 1);
  return client.text;
}

function doors(): number[] {
  return [cluster.master.resp, cluster.node('node-0').resp];
}

/** Without what differs from call to call: times, ids, ports. */
function form(text: string): string {
  return text
    .replace(/127\.0\.0\.1:\d+/g, 'HERE')
    .replace(/\$\d+\r\nHERE/g, 'HERE')
    .replace(/:\d+/g, ':N');
}

/** Commands for the slow log. */
const LOGGED = [
  [['get', 'k']],
  [['get', 'x'.repeat(200)]],
  [['echo', 'a'.repeat(129)]],
  [['exists', ...Array.from({ length: 40 }, () => 'k')]],
  [['auth', 'someone', 'secret']],
  [['multi'], ['strlen', 'k'], ['exec']],
];

describe.runIf(available)('the replies are those of redis-server', () => {
  test.each([2, 3])('SLOWLOG GET, LEN and RESET over RESP%i', async (protocol) => {
    const talk = async (port: number): Promise<string> => {
      const set = ['config', 'set', 'slowlog-log-slower-than'];
      await answersTo(port, 2, [
        [...set, '0'],
        ['slowlog', 'reset'],
      ]);
      // One by one, because the master logs a command once datanodes have answered.
      for (const commands of LOGGED) await answersTo(port, 2, commands);
      await answersTo(port, 2, [[...set, '-1']]);
      const asked = [
        ['slowlog', 'get', '-1'],
        ['slowlog', 'get', '2'],
        ['slowlog', 'len'],
        ['slowlog', 'reset'],
        ['slowlog', 'get'],
      ];
      return form(await answersTo(port, protocol, asked));
    };
    const expected = await talk(redis.port);
    expect(expected).toContain('... (72 more bytes)');
    expect(expected).toContain('... (10 more arguments)');
    expect(expected).not.toContain('secret');
    for (const port of doors()) expect(await talk(port)).toBe(expected);
  });

  test.each([2, 3])('LATENCY over RESP%i', async (protocol) => {
    const expected = await latencyOf(redis.port, protocol, ['eval', 'for _ = 1, 1e6 do end', '0']);
    for (const port of doors()) {
      expect(await latencyOf(port, protocol, ['command', 'docs'])).toBe(expected);
    }
  });
});

/** The form of the replies once `slow` has taken a millisecond. */
async function latencyOf(port: number, protocol: number, slow: readonly string[]): Promise<string> {
  const latest = [['latency', 'latest']];
  await answersTo(port, 2, [
    ['config', 'set', 'latency-monitor-threshold', '1'],
    ['config', 'resetstat'],
    ['latency', 'reset'],
    ['get', 'k'],
  ]);
  await until('a slow command', async () => {
    await answersTo(port, 2, [slow]);
    return (await answersTo(port, 2, latest)).includes('$7\r\ncommand');
  });
  const asked = [
    ['config', 'set', 'latency-monitor-threshold', '0'],
    ['latency', 'reset', 'fast-command', 'datanode-wait'],
    ...latest,
    ['latency', 'history', 'command'],
    ['latency', 'histogram', 'get', 'nothing'],
    ['latency', 'reset', 'command', 'nothing'],
    ...latest,
  ];
  return form(await answersTo(port, protocol, asked));
}
