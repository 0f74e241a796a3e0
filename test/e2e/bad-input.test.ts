// User errors: a helpful sentence, the right exit code, and nothing lost.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { TestCluster } from '../support/process/cluster.ts';
import { steleShared } from '../support/process/shared-process.ts';
import type { Done } from '../support/process/shared-process.ts';
import { VersionedRows } from '../support/inputs/rows.ts';
import { flipBit, segmentFiles } from '../support/segments/segment-files.ts';
import type { FileOnDisk } from '../support/segments/segment-files.ts';
import { connectRedis, expectAllRows, postLookup } from '../support/readers/sources.ts';
import { ANY_PORTS, flags, until, sentencesOf } from '../support/process/stele-process.ts';

const KEYSPACE = 'numbers';
const NODES = ['node-0', 'node-1', 'node-2'] as const;
const folder = mkdtempSync(join(tmpdir(), 'stele-bad-'));
const rows = new VersionedRows(5000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, [KEYSPACE], { masterFlags: ['--repair-delay', '1s'] });
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

/** Exactly one sentence on stderr, starting with the program's name, and no stack trace. */
function expectSentence(done: Done, code: number, ...patterns: readonly RegExp[]): void {
  const sentences = sentencesOf(done.stderr);
  expect(sentences).toMatch(/^stele: [^\n]+[.]?\n$/);
  expect(sentences).not.toMatch(/^ {4}at /m);
  expect(sentences).not.toContain('internal error');
  for (const pattern of patterns) expect(sentences).toMatch(pattern);
  expect(done.code).toBe(code);
}

function inputFile(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const expectEveryValue = (): Promise<void> => expectAllRows(cluster.url(''), KEYSPACE, rows, 1);

async function keyspaceNames(): Promise<string[]> {
  const answer = (await cluster.json('/v1/keyspaces')) as { keyspaces: { name: string }[] };
  return answer.keyspaces.map(({ name }) => name);
}

describe('stele load', () => {
  const run = (keyspace: string, paths: string[], more: string[] = []): Promise<Done> =>
    steleShared(cluster.loadArguments(keyspace, paths, more));

  test('names a file that is not there', async () => {
    const path = join(folder, 'nowhere.data');
    expectSentence(await run('fresh', [path]), 1, /nowhere\.data/);
    expect(await keyspaceNames()).toEqual([KEYSPACE]);
  });

  test('refuses a keyspace name with a slash as wrong usage', async () => {
    const path = inputFile('good.data', 'a one\n');
    expectSentence(await run('a/b', [path]), 2, /'a\/b' is not a keyspace name/, /letters/);
  });

  test('refuses a wrong flag as wrong usage, and names the help', async () => {
    const path = inputFile('good.data', 'a one\n');
    expectSentence(await run('fresh', [path], ['--colour', 'red']), 2, /--colour/, /--help/);
    expectSentence(await run('fresh', [path], ['--workers', 'many']), 2, /--workers/, /many/);
  });

  test('reports a bad row with its file and byte offset, and loads nothing', async () => {
    const path = inputFile('bad-row.data', 'a one\nb two\nno-space-in-this-line\nc three\n');
    const done = await run('fresh', [path]);
    expectSentence(done, 1, /bad-row\.data at byte 12\b/, /--max-rejects/);
    expect(await visibleVersion('fresh')).toBe(0);
  });

  test('takes the good rows with --max-rejects and lists the bad ones', async () => {
    const path = inputFile('bad-rows.csv', 'id,name\n1,one\n2\n3,three\n4,too,many\n');
    const rejects = join(folder, 'rejects.csv');
    const done = await run('some', [path], ['--max-rejects', '2', '--rejects', rejects]);
    expect(done.code).toBe(0);
    expect(readFileSync(rejects, 'utf8')).toBe('id,name\n2\n4,too,many\n');
    const lines = readFileSync(`${rejects}.reasons.jsonl`, 'utf8').trimEnd().split('\n');
    const offsets = lines.map((line) => (JSON.parse(line) as { offset: number }).offset);
    expect(offsets).toEqual([14, 24]);
    expect(String(await valueOf('some', '3'))).toBe('three');
  });

  test('reports a key that is too long, with its byte offset', async () => {
    const path = inputFile('long-key.data', `a one\n${'k'.repeat(64 * 1024 + 1)} v\n`);
    expectSentence(await run('fresh', [path]), 1, /long-key\.data at byte 6\b/, /key/);
    expect(await visibleVersion('fresh')).toBe(0);
  });

  test('reports a key with two values', async () => {
    const path = inputFile('conflict.data', 'a one\nb two\na other\n');
    expectSentence(await run('fresh', [path]), 1, /'a'/, /conflict|two values|duplicate/i);
    expect(await visibleVersion('fresh')).toBe(0);
  });

  test('explains how to reach a master if none answers', async () => {
    const path = inputFile('good.data', 'a one\n');
    const port = await portThatRefuses();
    const done = await steleShared([
      'load',
      'fresh',
      path,
      ...flags({ master: `127.0.0.1:${port}`, 'work-dir': join(folder, 'work') }),
    ]);
    expectSentence(done, 4, new RegExp(`127\\.0\\.0\\.1:${port}`), /--master/);
  });

  test('after all that nothing is lost or changed', async () => {
    await cluster.status('green');
    await expectEveryValue();
  });
});

describe('requests', () => {
  test('a key that is too long is an error, not missing', async () => {
    const key = 'k'.repeat(64 * 1024 + 1);
    const response = await fetch(cluster.url(`/v1/keyspaces/${KEYSPACE}/lookup`), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ keys: [key] }),
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'KEY_TOO_LONG' });
    const client = connectRedis(cluster.master, KEYSPACE);
    onTestFinished(() => client.disconnect());
    await expect(client.get(key)).rejects.toThrow();
  });
});

describe('starting', () => {
  test.for(['--http-port', '--resp-port', '--grpc-port'])(
    'names the port that is in use, and the flag: %s',
    async (flag) => {
      const port = await portInUse();
      const words = [...ANY_PORTS, flag, port];
      const master = await steleShared([
        'master',
        ...flags({ 'data-dir': join(folder, 'm') }),
        ...words,
      ]);
      expectSentence(stripLogs(master), 1, new RegExp(`\\b${port}\\b.*${flag}`));
      const own = flags({ id: 'd', master: cluster.masterGrpc, 'data-dir': join(folder, 'd') });
      const datanode = await steleShared(['datanode', ...own, ...words]);
      expectSentence(stripLogs(datanode), 1, new RegExp(`\\b${port}\\b.*${flag}`));
    },
  );

  test('`stele up` reports which of its processes could not start, and leaves none running', async () => {
    const port = await portInUse();
    const up = await steleShared([
      'up',
      ...ANY_PORTS,
      ...flags({ 'data-dir': join(folder, 'up'), 'http-port': port }),
    ]);
    expectSentence(stripLogs(up), 1, new RegExp(port), /master/);
  });

  test('a second master on the same data folder names the process that holds it', async () => {
    const second = await steleShared([
      'master',
      ...ANY_PORTS,
      ...flags({ 'data-dir': join(cluster.folder, 'master') }),
    ]);
    expectSentence(stripLogs(second), 1, new RegExp(`\\b${cluster.master.pid}\\b`), /--data-dir/);
    await expectEveryValue();
  });

  test('`stele up` with a --load file that is not there starts nothing', async () => {
    const done = await steleShared([
      'up',
      ...ANY_PORTS,
      ...flags({ 'data-dir': join(folder, 'none'), load: `x=${join(folder, 'nowhere.data')}` }),
    ]);
    expectSentence(done, 1, /nowhere\.data/, /--load/);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });
});

describe('a corrupt segment on disk', () => {
  test('is quarantined at the start and fetched again; no read is ever wrong', async () => {
    const dataDir = join(cluster.folder, 'node-0');
    const names = mainFiles(dataDir).map(({ name }) => name);
    await cluster.kill('node-0', 'SIGTERM');
    const [victim] = mainFiles(dataDir);
    if (victim === undefined) throw new Error('node-0 holds nothing');
    flipBit(victim.path, Math.floor(statSync(victim.path).size / 2));
    const verified = await steleShared(['verify', victim.path]);
    expect(verified.code).toBe(1);

    await cluster.startNode('node-0');
    await expectEveryValue();
    await cluster.nodesServing(3);
    await cluster.status('green');
    await until('the segment to be fetched again', () => existsSync(victim.path));
    await expectEveryValue();
    await until('node-0 to hold what it held', () =>
      sameNames(
        mainFiles(dataDir).map(({ name }) => name),
        names,
      ),
    );
    expect(readdirSync(join(dataDir, 'quarantine'))).toHaveLength(1);
    expect((await steleShared(['verify', '--data-dir', dataDir])).code).toBe(0);
  });
});

describe('a truncated metadata store of the master', () => {
  const store = (): string => join(cluster.folder, 'master', 'metadata', 'data.mdb');

  /** Segments that these loads have replaced are deleted a few seconds later. */
  async function nothingLeaves(): Promise<boolean> {
    const { keyspaces } = (await cluster.json('/v1/keyspaces')) as {
      keyspaces: { name: string }[];
    };
    const states = await Promise.all(
      keyspaces.map(async ({ name }) => {
        const answer = await cluster.json(`/v1/keyspaces/${name}/versions`);
        return (answer as { versions: { state: string }[] }).versions.map(({ state }) => state);
      }),
    );
    return !states.flat().includes('RETIRED');
  }

  test('is restored from the backup beside it: same catalog, nothing copied', async () => {
    await until('replaced versions to have left', nothingLeaves);
    const before = await cluster.json('/v1/keyspaces');
    const files = NODES.map((id) => mainFiles(join(cluster.folder, id)));
    await cluster.kill('master');
    truncateSync(store(), Math.floor(statSync(store()).size / 2));
    await cluster.startMaster();
    await cluster.nodesServing(3);
    await cluster.status('green');
    expect(await cluster.json('/v1/keyspaces')).toEqual(before);
    // A surplus copy, from the time when node-0 was away, may still be deleted.
    const known = new Set(files.flat().map(({ identity, path }) => `${path} ${identity}`));
    const now = NODES.flatMap((id) => mainFiles(join(cluster.folder, id)));
    expect(now.filter(({ identity, path }) => !known.has(`${path} ${identity}`))).toEqual([]);
    await expectEveryValue();
  });

  test('without an intact backup the master says so and changes nothing', async () => {
    await cluster.kill('master');
    const dataDir = join(cluster.folder, 'master');
    const backups = readdirSync(dataDir).filter((name) => name.startsWith('catalog-backup'));
    const saved = backups.map((name) => [join(dataDir, name), readFileSync(join(dataDir, name))]);
    const whole = readFileSync(store());
    expect(backups.length).toBeGreaterThan(0);
    truncateSync(store(), 100);
    for (const name of backups) truncateSync(join(dataDir, name), 10);
    const refused = await steleShared(['master', '--data-dir', dataDir, ...ANY_PORTS]);
    expectSentence(stripLogs(refused), 1, /data\.mdb/, /damaged/);
    expect(statSync(store()).size).toBe(100);

    writeFileSync(store(), whole);
    for (const [path, bytes] of saved) writeFileSync(path as string, bytes as Buffer);
    await cluster.startMaster();
    await cluster.nodesServing(3);
    await cluster.status('green');
    await expectEveryValue();
  });
});

/**
 * Of the keyspace with the most segments, because those that failed loads have sent may be deleted
 * at any time.
 */
function mainFiles(dataDir: string): FileOnDisk[] {
  const files = segmentFiles(dataDir);
  const keyspaceOf = ({ name }: FileOnDisk): string => name.split('/')[0] ?? '';
  const groups = [...new Set(files.map(keyspaceOf))].map((keyspace) =>
    files.filter((file) => keyspaceOf(file) === keyspace),
  );
  return groups.toSorted((a, b) => b.length - a.length)[0] ?? [];
}

async function visibleVersion(keyspace: string): Promise<number> {
  const answer = (await cluster.json(`/v1/keyspaces/${keyspace}`)) as { current_version?: number };
  return answer.current_version ?? 0;
}

async function valueOf(keyspace: string, key: string): Promise<Buffer | null | undefined> {
  return (await postLookup(cluster.url(''), keyspace, [key])).values[0];
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}

/** Roles log JSON lines to stderr, in addition to their messages for people. */
function stripLogs(done: Done): Done {
  const lines = done.stderr.split('\n').filter((line) => !line.startsWith('{'));
  return { ...done, stderr: lines.join('\n') };
}

/** A port that is in use until the test is over. */
async function portInUse(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  return String((server.address() as AddressInfo).port);
}

/** A port that nothing listens on: it was free a moment ago. */
async function portThatRefuses(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
