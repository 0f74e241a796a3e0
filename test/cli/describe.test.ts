import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { formatDescription } from '../../cli/describe/description.ts';
import { FakeCluster } from '../support/peers/fake-cluster.ts';
import { startFakeMaster } from '../support/peers/fake-master.ts';
import { LOAD } from '../support/peers/load-sample.ts';
import { stele } from './run-stele.ts';

it('aligns fields, and indents the parts below them', () => {
  const text = formatDescription({
    fields: [
      ['A', 'x'],
      ['Long one', ''],
    ],
    parts: [{ title: 'Rows', text: 'K  V\n1  2' }],
    json: {},
  });
  expect(text).toBe('A:         x\nLong one:  -\n\nRows:\n  K  V\n  1  2');
});

describe('stele describe', () => {
  it.each<[kind: string, name: string, shown: RegExp[], json: object]>([
    [
      'keyspace',
      'default',
      [/^Name: +default\n/, /^Read: +15 keys found and 3 not/m, /^Versions:\n {2}VERSION/m],
      { name: 'default', reads: { found: 15 }, versions: [{ version: 1 }], events: [{}] },
    ],
    [
      'node',
      'datanode-0',
      [/^State: +serving$/m, /^Owner of: /m, /^Reads: +5 keys found/m, /^Latency: +50% within/m],
      { id: 'datanode-0', reads: { found: 5 }, shards: { owner: expect.any(Array) as object } },
    ],
    ['shard', '0', [/^Shard: +0\n/, /^Keyspace default, version 1/m], { shard: 0 }],
    ['load', LOAD.loadId, [/^Load: /, /^Last events:/m], { id: LOAD.loadId }],
  ])('%s %s is for people, JSON and YAML', async (kind, name, shown, json) => {
    const { address } = await startFakeMaster(new FakeCluster());
    const run = (...more: string[]) =>
      stele(['describe', kind, name, '--master', address, ...more]);
    const text = await run();
    expect(text).toMatchObject({ code: 0, stderr: '' });
    for (const pattern of shown) expect(text.stdout).toMatch(pattern);
    const parsed: unknown = JSON.parse((await run('-o', 'json')).stdout);
    expect(parsed).toMatchObject(json);
    expect(parse((await run('-o', 'yaml')).stdout)).toEqual(parsed);
  });

  it.each<[string[], number, RegExp]>([
    [
      ['keyspac', 'x'],
      2,
      /'keyspac' cannot be described \(Did you mean keyspace\?\); use keyspace/,
    ],
    [['keyspace', 'defualt'], 1, /There is no keyspace 'defualt' \(Did you mean default\?\)/],
    [['node', 'datanode-9'], 1, /There is no datanode 'datanode-9' \(Did you mean one of datan/],
    [['shard', '4000'], 2, /There is no shard 4000; this cluster has the shards 0 to/],
    [['shard', 'x'], 2, /'x' is not a shard/],
    [['load', '0000000000000000'], 1, /There is no load/],
  ])('%j is an error with the next step', async (words, code, sentence) => {
    const { address } = await startFakeMaster(new FakeCluster());
    const done = await stele(['describe', ...words, '--master', address]);
    expect(done).toMatchObject({ code, stdout: '' });
    expect(done.stderr).toMatch(sentence);
  });
});
