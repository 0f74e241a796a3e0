import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { listed } from '../../../cli/listings/listing.ts';
import type { Listing } from '../../../cli/listings/listing.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';
import { startFakeMaster } from '../../support/peers/fake-master.ts';
import { RecordingOutput } from '../recording-output.ts';
import { stele } from '../run-stele.ts';

interface Row {
  readonly id: string;
  readonly size: number;
}

interface Answer {
  readonly rows: readonly Row[];
  readonly noLeader?: { readonly reason: string; readonly since: string };
}

const LISTING: Listing<Answer, Row> = {
  columns: [
    { title: 'ID', cell: ({ id }) => id },
    { title: 'SIZE', align: 'right', ofLeader: true, cell: ({ size }) => String(size) },
    { title: 'HALF', wide: true, cell: ({ size }) => String(size / 2) },
  ],
  rows: ({ rows }) => rows,
  name: ({ id }) => id,
  json: ({ rows }) => rows.map(({ id, size }) => ({ id, byteSize: size })),
  empty: 'Nothing.',
  notes: (rows) => rows.filter(({ size }) => size > 99).map(({ id }) => `${id} is large`),
};

const ANSWER = {
  rows: [
    { id: 'a', size: 8 },
    { id: 'b2', size: 100 },
  ],
};

const text = (
  output: 'table' | 'wide' | 'json' | 'yaml' | 'name',
  answer: Answer = ANSWER,
  noHeaders = false,
): Promise<string> => listed(LISTING, new RecordingOutput(), { output, noHeaders }, answer);

describe('listed', () => {
  it('has every form', async () => {
    expect(await text('table')).toBe('ID  SIZE\na      8\nb2   100\nb2 is large');
    expect(await text('wide')).toBe('ID  SIZE  HALF\na      8  4\nb2   100  50\nb2 is large');
    expect(await text('name')).toBe('a\nb2');
    const json = [
      { id: 'a', byte_size: 8 },
      { id: 'b2', byte_size: 100 },
    ];
    expect(await text('json')).toBe(JSON.stringify(json));
    expect(await text('yaml')).toBe('- id: a\n  byte_size: 8\n- id: b2\n  byte_size: 100');
  });

  it('leaves the titles out, and what they are wide', async () => {
    expect(await text('table', { rows: [{ id: 'a', size: 8 }] }, true)).toBe('a  8');
  });

  it('has a sentence for people if there is nothing, and an empty list for programs', async () => {
    const none = { rows: [] };
    expect(await text('table', none)).toBe('Nothing.');
    expect(await text('json', none)).toBe('[]');
    expect(await text('yaml', none)).toBe('[]');
    expect(await text('name', none)).toBe('');
  });

  it('does not show what only a leader knows of the last view', async () => {
    const noLeader = { reason: 'No master leads.', since: '' };
    expect(await text('table', { rows: [{ id: 'a', size: 8 }], noLeader })).toBe(
      'ID  SIZE\na      -',
    );
  });

  it('keeps text that looks like a number as text in YAML', async () => {
    const rows = [
      { id: '012', size: 1 },
      { id: 'no', size: 1 },
      { id: '1_0', size: 1 },
    ];
    const yaml = await text('yaml', { rows });
    const read = parse(yaml, { version: '1.1' }) as { id: unknown }[];
    expect(read.map(({ id }) => id)).toEqual(['012', 'no', '1_0']);
  });
});

/**
 * The verbs that list something of a cluster, and the names of the rows in the cluster of the
 * tests.
 */
const VERBS: readonly (readonly [words: readonly string[], names: string])[] = [
  [['keyspaces'], 'default\n'],
  [['versions', 'default'], '1\n'],
  [['nodes'], 'datanode-0\ndatanode-1\ndatanode-2\n'],
  [['shards'], ''],
  [['loads'], ''],
  [['events'], '1\n'],
  [['masters'], ''],
  [['ring'], ''],
];

describe.each(VERBS)('stele %j', (words, names) => {
  it('has every form of a listing', async () => {
    const { address } = await startFakeMaster(new FakeCluster());
    const run = (...more: string[]) => stele([...words, '--master', address, ...more]);
    const table = await run();
    expect(table).toMatchObject({ code: 0, stderr: '' });
    const json = await run('-o', 'json');
    const rows = JSON.parse(json.stdout) as unknown[];
    expect(parse((await run('-o', 'yaml')).stdout)).toEqual(rows);
    const named = (await run('-o', 'name')).stdout;
    if (names !== '') expect(named).toBe(names);
    expect(named.split('\n')).toHaveLength(rows.length + 1);
    const headless = await run('--no-headers');
    expect(headless.stdout.split('\n')).toHaveLength(table.stdout.split('\n').length - 1);
    const wide = await run('-o', 'wide');
    expect(wide.stdout.split('\n')).toHaveLength(table.stdout.split('\n').length);
    expect((await run('-o', 'xml')).code).toBe(2);
  });
});
