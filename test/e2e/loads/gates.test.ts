// Versions that do not go live by themselves: gates, manual promotion, loads that block others and
// are cancelled.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { segmentNames } from '../../support/segments/segment-files.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import type { Done } from '../../support/process/shared-process.ts';
import {
  ANY_PORTS,
  SteleProcess,
  flags,
  stele,
  until,
} from '../../support/process/stele-process.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;
const ROWS = 1000;
const folder = mkdtempSync(join(tmpdir(), 'stele-gates-'));
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ masterFlags: ['--retire-delay', '0s'] });
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

/** A file of `rows` rows whose values contain their day. */
function nightly(day: number, rows = ROWS): string {
  const path = join(folder, `day-${day}-${rows}.data`);
  const text = Array.from({ length: rows }, (_, row) => `key-${row} day-${day}-${row}\n`).join('');
  writeFileSync(path, text);
  return path;
}

const run = (...words: string[]): Promise<Done> =>
  steleShared([...words, '--master', cluster.masterGrpc]);

const load = (keyspace: string, path: string, more: readonly string[] = []): Promise<Done> =>
  steleShared(cluster.loadArguments(keyspace, [path], more));

async function json<Answer>(...words: string[]): Promise<Answer> {
  const done = await run(...words, '-o', 'json');
  expect(done).toMatchObject({ code: 0, stderr: '' });
  return JSON.parse(done.stdout) as Answer;
}

async function value(keyspace: string, key: string, version?: number): Promise<string> {
  const query = version === undefined ? '' : `?version=${version}`;
  const answer = await fetch(cluster.url(`/v1/keyspaces/${keyspace}/keys/${key}${query}`));
  return answer.ok ? answer.text() : ((await answer.json()) as { code: string }).code;
}

interface VersionRow {
  readonly version: number;
  readonly current: boolean;
  readonly state: string;
  readonly records: number;
  readonly reason: string;
}

const versions = async (keyspace: string): Promise<string[]> =>
  (await json<VersionRow[]>('versions', keyspace)).map(
    (row) => `${row.version} ${row.state}${row.current ? ' current' : ''}`,
  );

interface LoadRow {
  readonly id: string;
  readonly state: string;
  readonly stage: string;
  readonly rows: number;
  readonly reason: string;
  readonly owner: { readonly pid: number };
}

const loads = (keyspace: string): Promise<LoadRow[]> => json<LoadRow[]>('loads', keyspace);

const filesOf = (): string[] =>
  NODES.flatMap((id) => segmentNames(join(cluster.folder, id)).map((name) => `${id}/${name}`));

describe('a truncated nightly file', () => {
  test('does not go live, and readers do not notice', async () => {
    expect((await load('prices', nightly(1))).code).toBe(0);
    const half = await load('prices', nightly(2, ROWS / 2 - 1));
    expect(half.code).toBe(3);
    expect(half.stderr).toMatch(
      /^\{"error":\{"code":"GATE_FAILED","message":"Version 2 of keyspace 'prices' did not go live: it has 499 rows, 50.1% fewer than the 1000 of version 1, and --max-shrink allows 50%\. .*version 1 is still read.*`stele promote prices 2`/,
    );
    const dry = await load('prices', nightly(2, ROWS / 2 - 1), ['--dry-run', '-o', 'table']);
    expect(dry.code).toBe(3);
    expect(dry.stdout).toMatch(
      /^The version would not go live: it has 499 rows, 50\.1% fewer than the 1000 of version 1, and/m,
    );
    expect(await value('prices', 'key-7')).toBe('day-1-7');
    expect(await versions('prices')).toEqual(['1 COMMITTED current', '2 REJECTED']);
    expect((await loads('prices'))[0]).toMatchObject({ state: 'REJECTED', rows: 499 });
  });

  test('can be read by its number, and `stele versions` explains it', async () => {
    expect(await value('prices', 'key-7', 2)).toBe('day-2-7');
    expect(await value('prices', 'key-999', 2)).toBe('NOT_FOUND');
    expect((await run('versions', 'prices')).stdout).toMatch(
      /^version 2 was rejected: it has 499 rows/m,
    );
    expect((await run('rollback', 'prices', '--to', '2')).stderr).toMatch(/stele promote prices 2/);
  });

  test('goes live by hand, also after a restart of the master, and a rollback reverts it', async () => {
    await cluster.kill('master');
    await cluster.startMaster();
    await cluster.nodesServing(3);
    await cluster.status('green');
    expect(await versions('prices')).toEqual(['1 COMMITTED current', '2 REJECTED']);
    const done = await run('promote', 'prices', '2');
    expect(done).toMatchObject({ code: 0, stdout: 'prices: version 2 is current (it was 1).\n' });
    expect(await value('prices', 'key-7')).toBe('day-2-7');
    expect(await value('prices', 'key-999')).toBe('NOT_FOUND');
    expect((await run('rollback', 'prices')).stdout).toBe(
      'prices: version 1 is current (it was 2).\n',
    );
    expect(await value('prices', 'key-999')).toBe('day-1-999');
  });
});

test('a load after one that failed its gate runs, with its own flags and its own gate', async () => {
  const twice = join(folder, 'twice.data');
  writeFileSync(twice, '1 a\n2 b\n1 a\n1 c\n');
  expect((await load('again', twice, ['--on-conflict', 'first'])).code).toBe(0);
  const gated = ['--on-conflict', 'first', '--expect-rows', '9'];
  expect((await load('again', twice, gated)).stderr).toContain('--expect-rows');
  const required = ['--on-conflict', 'first', '--require-key', 'NOPE'];
  expect((await load('again', twice, required)).stderr).toContain('--require-key');
  expect((await load('again', twice, ['--on-conflict', 'last'])).code).toBe(0);
  expect(await value('again', '1')).toBe('c');
  const same = ['--on-conflict', 'last', '--skip-if-current'];
  expect((await load('again', twice, same)).stdout).toContain('"alreadyCurrent":true');
  const other = ['--on-conflict', 'first', '--skip-if-current'];
  expect((await load('again', twice, other)).code).toBe(0);
  expect(await value('again', '1')).toBe('a');
});

describe('each gate', () => {
  test.each([
    ['--expect-rows', '1020±2%', 0],
    ['--expect-rows', '1021+-2%', 3],
    ['--min-rows', '1001', 3],
    ['--max-shrink', '100%', 0],
    ['--require-key', 'key-7=day-3-7', 0],
    ['--require-key', 'key-7=day-2-7', 3],
    ['--require-key', 'key-1000', 3],
  ])('%s %s ends with %i', async (flag, asked, code) => {
    const done = await load('gated', nightly(3), [flag, asked]);
    expect(done.code).toBe(code);
    if (code !== 0) expect(done.stderr).toContain(flag);
  });

  test('is refused before anything is done if it is malformed', async () => {
    const done = await load('never', nightly(3), ['--max-shrink', '20']);
    expect(done).toMatchObject({ code: 2, stdout: '' });
    expect(done.stderr).toMatch(/"message":"--max-shrink: '20' is not a percentage/);
    expect((await run('versions', 'never')).code).toBe(1);
  });
});

describe('versions', () => {
  test('are kept up to the set number, can be dropped, and their files are deleted', async () => {
    const before = new Set(filesOf());
    for (let day = 1; day <= 3; day++) {
      expect((await load('kept', nightly(day), ['--keep', '3'])).code).toBe(0);
    }
    expect(await versions('kept')).toHaveLength(3);
    expect((await run('keep', 'kept', '2')).stdout).toBe(
      'kept keeps 2 versions; version 1 will go.\n',
    );
    await until('version 1 to be gone', async () => (await versions('kept')).length === 2);
    const two = filesOf().filter((name) => !before.has(name)).length;
    expect((await run('drop', 'kept', '--version', '3', '--yes')).stderr).toMatch(/current one/);
    expect((await run('drop', 'kept', '--version', '2', '--yes')).code).toBe(0);
    await until(
      'its files to be gone',
      () => filesOf().filter((name) => !before.has(name)).length === two / 2,
    );
    // The record is deleted last.
    await until('only version 3 to be told of', async () => (await versions('kept')).length === 1);
    expect(await versions('kept')).toEqual(['3 COMMITTED current']);
  });

  test('and loads show how the input was read', async () => {
    const path = join(folder, 'prices.csv');
    writeFileSync(path, 'sku;price\na-1;1,50\na-2;2,75\n');
    const done = await load('decided', path, ['--skip-lines', '0']);
    const input = "csv, delimiter ';', with a header: key sku, value price";
    const summary = JSON.parse(done.stdout.trimEnd().split('\n').at(-1) ?? '') as object;
    expect(summary).toMatchObject({ input: { text: input, dialects: [{ delimiter: ';' }] } });
    expect(await json('versions', 'decided')).toMatchObject([{ input }]);
    expect(await json('loads', 'decided')).toMatchObject([{ input }]);
    expect((await run('versions', 'decided')).stdout).toContain(input);
    const answer = await fetch(cluster.url('/v1/keyspaces/decided/versions'));
    expect(await answer.text()).toContain(JSON.stringify(input));
  });

  test('are rolled back while a datanode is down', async () => {
    for (const day of [1, 2]) expect((await load('down', nightly(day))).code).toBe(0);
    await cluster.kill('node-1');
    const done = await run('rollback', 'down');
    expect(done).toMatchObject({ code: 0, stdout: 'down: version 1 is current (it was 2).\n' });
    expect(await value('down', 'key-7')).toBe('day-1-7');
    await cluster.startNode('node-1');
    await cluster.nodesServing(3);
    await cluster.status('green');
    expect(await value('down', 'key-7')).toBe('day-1-7');
  });
});

describe('the cache', () => {
  test('is switched off and on for one keyspace, and stays so when the master starts again', async () => {
    const hits = async (keyspace: string): Promise<number> => {
      const text = await (await fetch(cluster.url('/metrics'))).text();
      const line = new RegExp(
        `^stele_keyspace_cache_hits_total\\{keyspace="${keyspace}"\\} (\\d+)$`,
        'm',
      );
      return Number(line.exec(text)?.[1]);
    };
    expect((await load('cached', nightly(1))).code).toBe(0);
    const readTwice = async (): Promise<void> => {
      for (let time = 0; time < 2; time++) expect(await value('cached', 'key-7')).toBe('day-1-7');
    };
    await readTwice();
    const before = await hits('cached');
    expect(before).toBeGreaterThan(0);
    expect((await run('cache', 'cached', 'off')).stdout).toBe(
      'Values of cached are not cached by the master.\n',
    );
    await readTwice();
    expect(await hits('cached')).toBe(before);
    await cluster.kill('master');
    await cluster.startMaster();
    await cluster.status('green');
    await readTwice();
    expect(await hits('cached')).toBe(0);
    expect(JSON.parse((await run('keyspaces', '-o', 'json')).stdout)).toContainEqual(
      expect.objectContaining({ name: 'cached', cache: false }),
    );
    expect((await run('cache', 'cached', 'on', '-o', 'json')).stdout).toBe(
      '{"keyspace":"cached","cache":true}\n',
    );
    await readTwice();
    expect(await hits('cached')).toBe(1);
    expect(await run('cache', 'cached', 'maybe')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("'maybe' is not 'on' or 'off'"),
    });
    expect((await run('cache', 'nowhere', 'on')).code).toBe(1);
  });
});

describe('a load that is in the way', () => {
  /** A load that waits for a third replica, which will never exist. */
  function stuck(keyspace: string): SteleProcess {
    const wants = flags({ 'min-replicas': 3, 'replica-wait': '60s' });
    return new SteleProcess(cluster.loadArguments(keyspace, [nightly(1)], wants));
  }

  async function running(keyspace: string): Promise<LoadRow> {
    let row: LoadRow | undefined;
    await until('the load to be told of', async () => {
      const done = await run('loads', keyspace, '-o', 'json');
      row = done.code === 0 ? (JSON.parse(done.stdout) as LoadRow[])[0] : undefined;
      return row?.state === 'RUNNING' && row.rows === ROWS;
    });
    return row as LoadRow;
  }

  test('is named in the error of the second one, listed, and stopped', async () => {
    const first = stuck('busy');
    const { id: loadId, owner } = await running('busy');
    expect(owner.pid).toBe(first.pid);
    const second = await load('busy', nightly(2));
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(
      new RegExp(
        `"code":"LOAD_IN_PROGRESS","message":"Load ${loadId} of .* \\(process ${first.pid}\\) .*1000 rows`,
      ),
    );
    const files = filesOf().length;
    const cancelled = await run('load', '--cancel', loadId);
    expect(cancelled).toMatchObject({ code: 0, stderr: '' });
    const ended = await first.finished();
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      new RegExp(`"message":"Load ${loadId} was stopped at the master: cancelled by hand`),
    );
    expect((await loads('busy'))[0]).toMatchObject({ id: loadId, state: 'CANCELLED', rows: ROWS });
    await until('what it sent to be deleted', () => filesOf().length < files);
    expect((await run('load', '--cancel', loadId)).stderr).toMatch(/is over already: cancelled/);
    // The same command starts again, with the chunks that were parsed.
    const again = await cluster.load('busy', [nightly(1)]);
    expect(again).toMatchObject({ version: 1, loaded: ROWS });
  });

  test('is cancelled over HTTP with a reason', async () => {
    const first = stuck('http');
    const { id: loadId } = await running('http');
    const answer = await fetch(cluster.url(`/v1/loads/${loadId}/cancel`), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'the wrong file' }),
    });
    expect(await answer.json()).toMatchObject({ id: loadId, state: 'CANCELLED' });
    expect((await first.finished()).stderr).toMatch(/stopped at the master: the wrong file/);
    const listed = await cluster.json('/v1/loads?keyspace=http');
    expect(listed).toMatchObject({ loads: [{ id: loadId, reason: 'the wrong file' }] });
  });
});

test('the master is killed during the check: never live, and rejected when it is back', async () => {
  expect((await load('judged', nightly(1))).code).toBe(0);
  const loading = new SteleProcess(
    cluster.loadArguments('judged', [nightly(2)], ['--min-rows', '1001']),
  );
  await until('the commit', async () => {
    const rows = await run('loads', 'judged', '-o', 'json');
    const [newest] = JSON.parse(rows.stdout) as LoadRow[];
    return newest?.stage === 'commit' || newest?.state === 'REJECTED';
  });
  await cluster.kill('master');
  await cluster.startMaster();
  await cluster.nodesServing(3);
  const done = await loading.finished();
  expect(done.code).toBe(3);
  expect(done.stderr).toMatch(
    /did not go live: it has 1000 rows, and --min-rows wants at least 1001/,
  );
  expect(await versions('judged')).toEqual(['1 COMMITTED current', '2 REJECTED']);
  await cluster.status('green');
  expect(await value('judged', 'key-7')).toBe('day-1-7');
});

test('`stele status --wait` waits for a master that is not up yet', async () => {
  const dataDir = join(folder, 'late');
  const first = new SteleProcess(['master', '--data-dir', dataDir, ...ANY_PORTS]);
  await first.printed(/ grpc \S+:\d+\n/);
  const [{ grpc } = { grpc: 0 }] = first.addresses();
  await first.kill();
  const address = `127.0.0.1:${grpc}`;
  const waiting = new SteleProcess(['status', '--wait', 'green', '--master', address]);
  const gaveUp = await stele([
    'status',
    '--wait',
    'green',
    '--timeout',
    '300ms',
    '--master',
    address,
  ]);
  expect(gaveUp).toMatchObject({ code: 4 });
  expect(gaveUp.stderr).toMatch(/No master answers/);
  const ports = flags({ 'http-port': 0, 'resp-port': 0, 'grpc-port': grpc });
  const second = new SteleProcess(['master', '--data-dir', dataDir, ...ports]);
  const node = new SteleProcess([
    'datanode',
    ...flags({ id: 'late-0', master: address, 'data-dir': join(folder, 'late-0') }),
    ...ANY_PORTS,
  ]);
  const done = await waiting.finished();
  expect(done).toMatchObject({ code: 0, stderr: '' });
  await Promise.all([second.kill(), node.kill()]);
});
