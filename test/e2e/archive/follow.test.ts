// A second cluster follows the deep store of a first one: version by version, through its own gate.

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { folderUrl, run, succeed, versionsOf } from '../../support/process/archived-cluster.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { flags, SteleProcess, stele, until } from '../../support/process/stele-process.ts';
import { removeAtEnd } from '../../support/process/watchdog.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), 'stele-follow-'));
removeAtEnd(folder);
const url = folderUrl(join(folder, 'deep'));
let source: TestCluster;
let here: TestCluster;

interface State {
  readonly keyspace: string;
  readonly state: string;
  readonly source_version: number;
  readonly version: number;
  readonly digest: string;
  readonly lag_seconds: number;
  readonly way?: string;
  readonly reason: string;
}

beforeAll(async () => {
  const store = flags({ 'deep-store': url, 'archive-bytes-per-second': 0 });
  source = await TestCluster.start({ datanodes: 2, shards: 16, masterFlags: store });
  here = await TestCluster.start({ datanodes: 1, replication: 1, shards: 16 });
});

afterAll(async () => {
  await source?.close();
  await here?.close();
});

/** Loads rows [from, to) whose values name `day`, and waits until the deep store lists them. */
async function load(
  keyspace: string,
  day: number,
  [from, to]: readonly [number, number],
  more: readonly string[] = [],
): Promise<number> {
  const path = join(folder, `${keyspace}-${day}.data`);
  const lines = Array.from({ length: to - from }, (_, at) => `key-${from + at} day-${day}\n`);
  writeFileSync(path, lines.join(''));
  const { version } = await source.load(keyspace, [path], more);
  await listed(keyspace, version);
  return version;
}

/** Waits until the newest snapshot of the deep store has the version as current. */
async function listed(keyspace: string, version: number): Promise<void> {
  await until(
    `version ${version} of ${keyspace} in the deep store`,
    async () => {
      const dry = await run(here, ['restore', url, keyspace, '--as', 'nowhere', '--dry-run']);
      if (dry.code !== 0) return false;
      const { keyspaces } = JSON.parse(dry.stdout) as {
        keyspaces: { versions: { was: number }[] }[];
      };
      return keyspaces[0]?.versions.some(({ was }) => was === version) === true;
    },
    40_000,
    300,
  );
}

/** One look at one keyspace: the exit code, and what it found. */
async function look(keyspace: string, ...more: string[]): Promise<[number | null, State]> {
  const work = flags({ 'work-dir': join(folder, 'work') });
  const { code, stdout } = await run(here, ['follow', url, keyspace, '--once', ...work, ...more]);
  return [code, JSON.parse(stdout) as State];
}

async function value(keyspace: string, key: string): Promise<string> {
  const answer = await fetch(here.url(`/v1/keyspaces/${keyspace}/keys/${key}`));
  return answer.ok ? answer.text() : ((await answer.json()) as { code: string }).code;
}

it('takes versions as segments, with their numbers, and appends, too', async () => {
  await load('prices', 1, [0, 1000]);
  const [code, taken] = await look('prices');
  expect(code).toBe(0);
  const digest = await source.digest('prices');
  expect(taken).toMatchObject({ state: 'taken', way: 'segments', source_version: 1, version: 1 });
  expect(taken).toMatchObject({ digest, lag_seconds: 0 });
  expect(await here.digest('prices')).toBe(digest);
  expect(await value('prices', 'key-7')).toBe('day-1');
  const [again, current] = await look('prices');
  expect([again, current.state]).toEqual([0, 'current']);
  await load('prices', 2, [900, 1100], flags({ mode: 'append' }));
  const [, appended] = await look('prices');
  expect(appended).toMatchObject({ state: 'taken', way: 'segments', version: 2 });
  expect(await here.digest('prices')).toBe(await source.digest('prices'));
  expect([await value('prices', 'key-7'), await value('prices', 'key-950')]).toEqual([
    'day-1',
    'day-2',
  ]);
  const second = (await versionsOf(here, 'prices')).at(-1);
  expect(second?.source).toContain(`(version 2 of ${url})`);
});

it('refuses a version once, waits for a newer one, and goes back with the source', async () => {
  await load('geo', 1, [0, 1000]);
  await look('geo');
  await load('geo', 2, [0, 800]);
  const [refused, rejected] = await look('geo', '--max-shrink', '10%');
  expect([refused, rejected.state]).toEqual([3, 'rejected']);
  expect(rejected.reason).toContain('800');
  expect(await value('geo', 'key-7')).toBe('day-1');
  const before = await versionsOf(here, 'geo');
  const [still, noted] = await look('geo', '--max-shrink', '10%');
  expect([still, noted.state, noted.version]).toEqual([3, 'rejected', rejected.version || 2]);
  expect(await versionsOf(here, 'geo')).toEqual(before);
  await load('geo', 3, [0, 950]);
  const [, third] = await look('geo', '--max-shrink', '10%');
  expect(third).toMatchObject({ state: 'taken', source_version: 3 });
  // A rollback here is for people to end; one there is followed.
  await stele(['rollback', 'geo', ...flags({ master: here.masterGrpc })]);
  const [held, back] = await look('geo');
  expect([held, back.state]).toEqual([3, 'held-back']);
  expect(await value('geo', 'key-7')).toBe('day-1');
  await stele(['promote', 'geo', String(third.version), ...flags({ master: here.masterGrpc })]);
  await stele(['promote', 'geo', '2', ...flags({ master: source.masterGrpc })]);
  await listed('geo', 2);
});

it('takes rows where the keyspace is another one here, and pinned versions only', async () => {
  const path = join(folder, 'own.data');
  writeFileSync(path, 'key-7 own\n');
  await here.load('plain', [path]);
  await load('plain', 1, [0, 300], flags({ keep: 5 }));
  await load('plain', 2, [0, 300]);
  const [, pinned] = await look('plain', '--pin', 'plain=1');
  expect(pinned).toMatchObject({ state: 'taken', way: 'rows', source_version: 1, version: 2 });
  expect(await value('plain', 'key-7')).toBe('day-1');
  const [, latest] = await look('plain');
  expect(latest).toMatchObject({ state: 'taken', way: 'rows', source_version: 2, version: 3 });
  expect(await here.digest('plain')).toBe(await source.digest('plain'));
  const [none, absent] = await look('plain', '--pin', 'plain=77');
  expect([none, absent.state]).toEqual([1, 'absent']);
  const [code] = await look('no-such');
  expect(code).toBe(1);
});

it('runs until it is stopped, beside another one, and writes its metrics', async () => {
  const metrics = join(folder, 'follow.prom');
  const words = ['follow', url, 'both', '--poll', '1s', '--metrics-file', metrics];
  const start = (): SteleProcess =>
    new SteleProcess([...words, ...flags({ master: here.masterGrpc, output: 'json' })]);
  const followers = [start(), start()];
  try {
    for (const day of [1, 2, 3]) {
      await load('both', day, [0, 500]);
      await until(
        `day ${day}`,
        async () => (await value('both', 'key-7')) === `day-${day}`,
        30_000,
      );
    }
    // Neither took a version twice.
    const kept = await versionsOf(here, 'both');
    expect(Math.max(...kept.map(({ version }) => version))).toBe(3);
    await until('the metrics', () => {
      const text = readFileSync(metrics, 'utf8');
      return text.includes('stele_follow_source_version{keyspace="both"} 3\n');
    });
    expect(readFileSync(metrics, 'utf8')).toContain('stele_follow_lag_seconds{keyspace="both"} 0');
  } finally {
    const ended = await Promise.all(followers.map((one) => one.kill('SIGTERM')));
    expect(ended.map(({ code }) => code)).toEqual([143, 143]);
  }
});

it('refuses settings that are wrong', async () => {
  const bad = async (...words: string[]): Promise<string> => {
    const done = await run(here, ['follow', ...words, '--once']);
    expect(done.code).toBe(2);
    return done.stderr;
  };
  expect(await bad(url, 'prices', '--pin', 'geo=1')).toContain('not among the keyspaces');
  expect(await bad(url, 'prices', '--pin', 'prices')).toContain('write it like prices=41');
  expect(await bad('ftp://x', 'prices')).toContain('is not the URL of a store');
  await succeed<State>(here, ['follow', url, 'prices', '--once']);
  const own = await run(source, ['follow', url, 'prices', '--once']);
  expect(own.code).toBe(1);
  expect(own.stdout).toContain('is the store of this cluster itself');
  const intoIt = await run(source, ['backup', url, 'prices']);
  expect(intoIt.code).toBe(1);
  expect(intoIt.stderr).toContain('is the deep store of this cluster');
});
