import { describe, expect, it } from 'vitest';
import { candidatesFor } from '../../../cli/completion/candidates.ts';
import type { NameKind } from '../../../cli/completion/candidates.ts';
import { splitLine } from '../../../cli/completion/line.ts';
import { VERBS } from '../../../cli/verbs.ts';

const NAMES: Readonly<Record<NameKind, readonly string[]>> = {
  keyspaces: ['prices', 'geo'],
  nodes: ['node-0', 'node-1'],
  shards: ['0', '1'],
  loads: ['5f1c'],
  versions: ['1', '2'],
  users: ['alice'],
  roles: ['reader'],
};

async function words(line: string): Promise<string[]> {
  const found = await candidatesFor(line, VERBS, async (kind) => NAMES[kind]);
  return [...found.words.map(({ word }) => word), ...(found.files ? [':files'] : [])];
}

it('splits a line as a shell does', () => {
  expect(splitLine('stele a "b c" d\\ e f')).toEqual({ words: ['a', 'b c', 'd e'], current: 'f' });
  expect(splitLine("stele 'x ")).toEqual({ words: [], current: 'x ' });
  expect(splitLine('stele x ')).toEqual({ words: ['x'], current: '' });
});

describe('candidatesFor', () => {
  it.each<[line: string, expected: string[]]>([
    ['stele ver', ['versions', 'verify', 'version']],
    ['stele --config x.yaml keysp', ['keyspaces', 'keyspace']],
    ['stele help keysp', ['keyspaces', 'keyspace']],
    ['stele versions ', ['prices', 'geo']],
    ['stele versions g', ['geo']],
    ['stele versions prices ', []],
    ['stele keyspaces -o ', ['table', 'wide', 'json', 'yaml', 'name']],
    ['stele keyspaces --output=j', ['--output=json']],
    ['stele keyspaces --no-h', ['--no-headers']],
    ['stele keyspaces --watch -o y', ['yaml']],
    ['stele status --wait g', ['green']],
    ['stele node ', ['drain', 'resume', 'remove', 'restart', 'restart-all']],
    ['stele node drain ', ['node-0', 'node-1']],
    ['stele node restart-all --after ', ['node-0', 'node-1']],
    ['stele describe k', ['keyspace']],
    ['stele describe shard ', ['0', '1']],
    ['stele describe load ', ['5f1c']],
    ['stele diff prices 1 ', ['1', '2']],
    ['stele user show ', ['alice']],
    ['stele cache prices ', ['on', 'off']],
    ['stele load prices ', [':files']],
    ['stele load prices a.csv ', [':files']],
    ['stele cli -k ', ['prices', 'geo']],
    ['stele config mas', ['masters', 'master']],
    ['stele completion ', ['bash', 'zsh', 'fish']],
    ['stele keyspaces --tls-ca ', [':files']],
    ['stele keyspaces --log-level w', ['warn']],
    ['stele nosuch ', []],
  ])('%j', async (line, expected) => {
    expect(await words(line)).toEqual(expected);
  });

  it('has the flags of every verb, each with a description', async () => {
    for (const verb of VERBS.keys()) {
      const { words: flags } = await candidatesFor(`stele ${verb} --`, VERBS, async () => []);
      expect(flags.length).toBeGreaterThan(3);
      expect(flags.filter(({ description }) => description === '')).toEqual([]);
    }
  });
});
