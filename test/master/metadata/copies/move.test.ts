import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemTime } from '../../../../base/clock.ts';
import { summaryOf } from '../../../../master/metadata/copies/content.ts';
import { FolderPlace } from '../../../../master/metadata/copies/folder-place.ts';
import {
  backUpCatalog,
  copyCatalog,
  restoreCatalog,
} from '../../../../master/metadata/copies/move.ts';
import { parsePlace } from '../../../../master/metadata/copies/open-place.ts';
import { MemoryEtcd } from '../../../../master/metadata/etcd/memory-etcd.ts';
import { layout } from '../etcd/leading.ts';
import { MANY, contentOf, etcdPlace, fillFolder, plain } from './catalogs.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stele-copies-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);

test('from a folder into etcd, and back into another folder', async () => {
  await fillFolder(at('one'));
  const etcd = etcdPlace(new MemoryEtcd(systemTime).connect());
  const there = await copyCatalog(new FolderPlace(at('one')), etcd);
  expect(there).toMatchObject({ entries: MANY.length, leader: undefined });
  const back = await copyCatalog(etcd, new FolderPlace(at('two')));
  expect(back).toEqual(there);
  const { entries, restored } = await new FolderPlace(at('two')).read();
  expect(plain(entries)).toEqual(plain(MANY));
  expect(restored).toBe(false);
});

test('the digest is that of keys and values: not of revisions and the order, and of every byte', () => {
  const entry = (key: string, value: string, revision = 1) => ({ key, value, revision });
  const { bytes, digest } = summaryOf([entry('a', 'é'), entry('b', '2')]);
  expect(bytes).toBe(5);
  expect(summaryOf([entry('b', '2', 7), entry('a', 'é', 9)]).digest).toBe(digest);
  const others = [
    [entry('a', 'é')],
    [entry('a', 'é'), entry('b', '3')],
    [entry('a', 'é'), entry('c', '2')],
    [entry('a', 'éb'), entry('', '2')],
    [entry('aé', ''), entry('b', '2')],
  ];
  expect(new Set(others.map((each) => summaryOf(each).digest)).add(digest).size).toBe(6);
});

describe('a copy is marked as restored', () => {
  test('if its source is, which no master has started on since', async () => {
    await new FolderPlace(at('one')).put(contentOf(MANY, true));
    const etcd = etcdPlace(new MemoryEtcd(systemTime).connect());
    await copyCatalog(new FolderPlace(at('one')), etcd);
    expect((await etcd.read()).restored).toBe(true);
    await copyCatalog(etcd, new FolderPlace(at('two')));
    expect((await new FolderPlace(at('two')).read()).restored).toBe(true);
  });

  test('if a master leads at its source, and may change it', async () => {
    const store = new MemoryEtcd(systemTime);
    const etcd = etcdPlace(store.connect());
    await etcd.put(contentOf());
    const value = JSON.stringify({ id: 'm', address: '10.0.0.1:8400', since: '' });
    store.transaction({ compares: [], success: [{ kind: 'put', key: layout.leader, value }] });
    const { leader } = await copyCatalog(etcd, new FolderPlace(at('one')));
    expect(leader).toBe('10.0.0.1:8400');
    expect((await new FolderPlace(at('one')).read()).restored).toBe(true);
  });
});

describe('a backup', () => {
  test('is one file for its owner alone, and is restored, marked as such', async () => {
    await fillFolder(at('one'));
    const made = await backUpCatalog(new FolderPlace(at('one')), at('file'));
    expect(statSync(at('file')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(['file', 'one']);
    const etcd = etcdPlace(new MemoryEtcd(systemTime).connect());
    expect(await restoreCatalog(at('file'), etcd)).toEqual(made);
    expect(plain((await etcd.read()).entries)).toEqual(plain(MANY));
    expect((await etcd.read()).restored).toBe(true);
    await restoreCatalog(at('file'), new FolderPlace(at('two')));
    expect((await new FolderPlace(at('two')).read()).restored).toBe(true);
  });

  test('replaces no file', async () => {
    await fillFolder(at('one'), MANY.slice(0, 2));
    writeFileSync(at('file'), 'mine');
    await expect(backUpCatalog(new FolderPlace(at('one')), at('file'))).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(readFileSync(at('file'), 'utf8')).toBe('mine');
  });

  test('that is truncated or changed anywhere is refused, and nothing is written', async () => {
    const few = MANY.filter(({ value }) => value.length < 100).slice(0, 5);
    await fillFolder(at('one'), few);
    await backUpCatalog(new FolderPlace(at('one')), at('file'));
    const bytes = readFileSync(at('file'));
    const store = new MemoryEtcd(systemTime);
    for (let position = 0; position < bytes.length; position++) {
      const changed = Buffer.from(bytes);
      changed[position]! ^= 1;
      for (const damaged of [changed, bytes.subarray(0, position)]) {
        writeFileSync(at('damaged'), damaged);
        await expect(
          restoreCatalog(at('damaged'), etcdPlace(store.connect())),
        ).rejects.toMatchObject({ code: 'CORRUPT' });
      }
    }
    expect(store.keys()).toEqual([]);
    await expect(restoreCatalog(at('none'), etcdPlace(store.connect()))).rejects.toMatchObject({
      code: 'INPUT_NOT_FOUND',
    });
  });
});

describe('a place', () => {
  test.each([
    ['dir:/var/lib/stele', { kind: 'dir', folder: '/var/lib/stele' }],
    ['dir:.stele/master', { kind: 'dir', folder: '.stele/master' }],
    ['etcd://a:1/p/', { kind: 'etcd', endpoints: 'a:1', prefix: '/p/' }],
    ['etcd://a:1,[::1]:2/p/q/', { kind: 'etcd', endpoints: 'a:1,[::1]:2', prefix: '/p/q/' }],
  ])('%s', (text, address) => expect(parsePlace(text)).toEqual(address));

  test.each([
    '',
    'dir:',
    '/var/lib',
    'etcd:a:1/p/',
    'etcd://a:1',
    'etcd://a:1/',
    'etcd://a:1/p',
    'etcd://a/p/',
    'etcd:///p/',
  ])("not '%s'", (text) =>
    expect(() => parsePlace(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' })),
  );
});
