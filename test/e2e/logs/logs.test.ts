// Logs of real processes: nothing that happens to their destination stops a process, and the lines
// of events that matter say where, what and how long.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { linesOf } from '../../support/log-lines.ts';
import type { LogLine } from '../../support/log-lines.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { ANY_PORTS, flags, PROJECT, stele, until } from '../../support/process/stele-process.ts';
import { guard, unguard } from '../../support/process/watchdog.ts';
import { tempDir } from '../../support/temp-dir.ts';

const MAIN = join(PROJECT, 'dist/cli/main.js');

/** A process of the command line whose log goes to `stderr`. */
function run(args: readonly string[], stderr: number | 'pipe'): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', stderr] });
  const pid = child.pid ?? -1;
  guard(pid);
  child.once('close', () => unguard(pid));
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

/** What it prints, once that has `pattern`. */
async function printed(child: ChildProcess, pattern: RegExp): Promise<string> {
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', (part: string) => (text += part));
  await until(
    `${pattern} in the output`,
    () => pattern.test(text) || child.exitCode !== null,
    60_000,
  );
  expect(text).toMatch(pattern);
  return text;
}

/** Whether a GET is answered with 200, and the body. */
async function answer(port: string, path: string): Promise<string | undefined> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: { connection: 'close' },
    });
    const body = await response.text();
    return response.ok ? body : undefined;
  } catch {
    return undefined;
  }
}

const DESTINATIONS: readonly (readonly [string, () => number | 'pipe'])[] = [
  ['a full disk', () => openSync('/dev/full', 'w')],
  ['a pipe whose reader is gone', () => 'pipe'],
];

test.each(DESTINATIONS)(
  'a whole cluster goes on with its log in %s',
  async (_, destination) => {
    const folder = tempDir();
    writeFileSync(join(folder, 'rows.data'), 'a 1\nb 2\n');
    const up = run(
      [
        ...['up', ...ANY_PORTS, '--log-level', 'debug', '--load', `k=${folder}/rows.data`],
        ...flags({ datanodes: 2, shards: 8, 'data-dir': join(folder, 'data') }),
      ],
      destination(),
    );
    up.stderr?.destroy();
    const text = await printed(up, /^ready$/m);
    up.stdout?.destroy();
    const port = /^master .* http 127\.0\.0\.1:(\d+)/m.exec(text)?.[1] ?? '';
    const victim = Number(/^datanode node-1 pid (\d+)/m.exec(text)?.[1]);
    const value = (): Promise<string | undefined> => answer(port, '/v1/keyspaces/k/keys/b');
    expect(await value()).toBe('2');

    // The supervisor, the master and the other datanode all have much to say about this.
    process.kill(victim, 'SIGKILL');
    await until('the loss to be noticed', async () => {
      expect(await value()).toBe('2');
      return !(await answer(port, '/v1/nodes'))?.match(/"serving"[^]*"serving"/i);
    });
    const health = '/v1/cluster/health?wait_for_status=green&timeout=60s';
    await until(
      'the cluster to be green again',
      async () => {
        return /"status":"green"/.test((await answer(port, health)) ?? '');
      },
      90_000,
    );
    expect(await value()).toBe('2');
    const lost = /^stele_log_lines_lost_total (\d+)$/m.exec((await answer(port, '/metrics')) ?? '');
    expect(Number(lost?.[1])).toBeGreaterThan(0);
    up.kill('SIGTERM');
    expect(await once(up, 'exit')).toEqual([0, null]);
  },
  150_000,
);

test('a load succeeds if what it says of its progress cannot be written', async () => {
  const cluster = await TestCluster.start({ datanodes: 1, replication: 1, shards: 8 });
  onTestFinished(() => cluster.close());
  const file = join(cluster.folder, 'rows.data');
  writeFileSync(file, 'a 1\n');
  const words = cluster.loadArguments('k', [file], ['--log-level', 'debug']);
  const load = run(words, openSync('/dev/full', 'w'));
  const summary = await printed(load, /"loaded":1\b/);
  expect(summary).toContain('"keyspace":"k"');
  if (load.exitCode === null) await once(load, 'exit');
  expect(load.exitCode).toBe(0);
});

test('lines say which node, keyspace and shard, and how long it took', async () => {
  const cluster = await TestCluster.start({ datanodes: 1, replication: 1, shards: 2 });
  onTestFinished(() => cluster.close());
  const file = join(cluster.folder, 'rows.data');
  const to = ['--master', cluster.masterGrpc];
  /** The first line with this message, once it is there. */
  const line = async (id: string, message: string): Promise<LogLine> => {
    const found = (): LogLine | undefined =>
      linesOf(cluster.log(id)).find(({ msg }) => msg === message);
    await until(`'${message}' in the log of ${id}`, () => found() !== undefined);
    return found() ?? {};
  };
  const took = { tookMs: expect.any(Number) as number };
  writeFileSync(file, Array.from({ length: 50 }, (_, at) => `key-${at} value\n`).join(''));
  const { version } = await cluster.load('prices', [file]);
  expect(await line('master', 'a version is current')).toMatchObject({
    ...{ name: 'master', keyspace: 'prices', version, load: expect.stringMatching(/^\w{16}$/) },
    ...took,
  });
  for (let round = 0; round < 5; round++) {
    writeFileSync(
      file,
      Array.from({ length: 50 }, (_, at) => `new-${round}-${at} value\n`).join(''),
    );
    await cluster.load('prices', [file], ['--mode', 'append']);
  }
  expect(await line('node-0', 'deltas were merged')).toMatchObject({
    ...{
      name: 'datanode',
      node: 'node-0',
      keyspace: 'prices',
      shard: expect.any(Number) as number,
    },
    ...took,
  });
  expect(await line('master', 'deltas were merged')).toMatchObject({ keyspace: 'prices' });
  for (const verb of ['suspend', 'resume']) {
    expect(await stele([verb, 'prices', ...to])).toMatchObject({ code: 0 });
    if (verb === 'suspend') await line('node-0', 'a keyspace is suspended');
  }
  const suspended = await line('node-0', 'a keyspace is suspended');
  expect(suspended).toMatchObject({ node: 'node-0', keyspace: 'prices' });
  const resumed = await line('node-0', 'a keyspace is in memory again');
  expect(resumed).toMatchObject({ node: 'node-0', keyspace: 'prices', ...took });
  await cluster.kill('node-0', 'SIGTERM');
  await cluster.startNode('node-0');
  expect(await line('node-0', 'segments verified')).toMatchObject({ node: 'node-0', ...took });
});
