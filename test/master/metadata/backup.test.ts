import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { constant, asyncProperty, assert, array, integer, oneof, tuple } from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { BackupWriter, readNewestBackup } from '../../../master/metadata/backup.ts';
import type { BackupCommit, BackupContent } from '../../../master/metadata/backup.ts';
import type { Entry } from '../../../master/metadata/port.ts';
import { tempDir } from '../../support/temp-dir.ts';

const FILES = ['json', 'log', 'previous.json', 'previous.log'].map(
  (end) => `catalog-backup.${end}`,
);
const [SNAPSHOT = '', LOG = '', PREVIOUS_SNAPSHOT = ''] = FILES;

let folder = '';
beforeEach(() => {
  folder = tempDir();
});

/** The content of a metadata store in memory, with its backup. */
class Store {
  readonly entries = new Map<string, Entry>();
  revision = 0;
  readonly writer: BackupWriter;

  constructor(content?: BackupContent) {
    this.revision = content?.revision ?? 0;
    for (const entry of content?.entries ?? []) this.entries.set(entry.key, entry);
    this.writer = new BackupWriter(folder, () => this.content);
  }

  get content(): BackupContent {
    return { revision: this.revision, entries: [...this.entries.values()] };
  }

  /** Values to set; undefined removes. */
  write(values: Readonly<Record<string, string | undefined>>): Promise<void> {
    this.revision += 1;
    const { revision } = this;
    const changes: BackupCommit['changes'][number][] = [];
    for (const [key, value] of Object.entries(values)) {
      if (value === undefined) this.entries.delete(key);
      else this.entries.set(key, { key, value, revision });
      changes.push(value === undefined ? { key } : { key, value });
    }
    return this.writer.write({ revision, changes });
  }
}

async function started(content?: BackupContent): Promise<Store> {
  const store = new Store(content);
  await store.writer.start();
  return store;
}

function sorted(content: BackupContent | undefined) {
  return {
    revision: content?.revision,
    entries: [...(content?.entries ?? [])].sort((left, right) => (left.key < right.key ? -1 : 1)),
  };
}

const found = () => sorted(readNewestBackup(folder)?.content);

describe('the backup of the catalog', () => {
  test('has every commit, without being written whole for each', async () => {
    const store = await started();
    await store.write({ large: 'x'.repeat(300_000) });
    const snapshotBytes = statSync(join(folder, SNAPSHOT)).size;
    const before = statSync(join(folder, LOG)).size;
    for (let at = 0; at < 50; at++) await store.write({ [`k${at % 7}`]: `${at}`, gone: undefined });
    expect(statSync(join(folder, LOG)).size - before).toBeLessThan(50 * 120);
    expect(statSync(join(folder, SNAPSHOT)).size).toBe(snapshotBytes);
    await store.writer.close();
    expect(found()).toEqual(sorted(store.content));
  });

  test('begins a new snapshot when the log has outgrown it, and both stay bounded', async () => {
    const store = await started();
    for (let at = 0; at < 40; at++)
      await store.write({ same: 'x'.repeat(100_000), [`k${at}`]: '1' });
    await store.writer.close();
    const bytes = FILES.map((name) => statSync(join(folder, name)).size);
    expect(Math.max(...bytes)).toBeLessThan(1_300_000);
    expect(found()).toEqual(sorted(store.content));
    // The previous one leads to the same state, with the logs.
    rmSync(join(folder, SNAPSHOT));
    expect(found()).toEqual(sorted(store.content));
  });

  test('of commits that come at once has all of them when the last resolves', async () => {
    const store = await started();
    await Promise.all(Array.from({ length: 30 }, (_, at) => store.write({ [`k${at}`]: '1' })));
    expect(found()).toEqual(sorted(store.content));
    await store.writer.close();
  });

  test('cut at any byte is a state that the catalog once had', async () => {
    const store = await started();
    const states = [sorted(store.content)];
    for (let at = 0; at < 5; at++) {
      await store.write({ a: `${at}`, [`b${at}`]: 'é', [`b${at - 2}`]: undefined });
      states.push(sorted(store.content));
    }
    await store.writer.close();
    const whole = readFileSync(join(folder, LOG));
    const seen = new Set<number>();
    for (let bytes = 0; bytes <= whole.length; bytes++) {
      writeFileSync(join(folder, LOG), whole.subarray(0, bytes));
      const state = found();
      expect(state).toEqual(states[state.revision ?? -1]);
      seen.add(state.revision ?? -1);
    }
    expect([...seen]).toEqual([0, 1, 2, 3, 4, 5]);
    for (let at = 0; at < whole.length; at += 3) {
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      writeFileSync(join(folder, LOG), flipped);
      const state = found();
      expect(state).toEqual(states[state.revision ?? -1]);
    }
  });

  test('is whole after a start that found its newest snapshot torn', async () => {
    let store = await started();
    await store.write({ first: '1' });
    await store.writer.close();
    for (let times = 0; times < 3; times++) {
      store = await started(readNewestBackup(folder)?.content);
      await store.write({ [`k${times}`]: 'x' });
      await store.writer.close();
      writeFileSync(join(folder, SNAPSHOT), 'torn');
      expect(found()).toEqual(sorted(store.content));
    }
  });

  test('goes on from a log that belongs to it, and from no other', async () => {
    const store = await started();
    await store.write({ a: '1' });
    await store.writer.close();
    copyFileSync(join(folder, SNAPSHOT), join(folder, 'saved.json'));
    copyFileSync(join(folder, LOG), join(folder, 'saved.log'));
    const other = await started({ revision: 0, entries: [] });
    await other.write({ b: '2' });
    await other.write({ c: '3' });
    await other.writer.close();
    // The snapshot of one history, the log of another.
    copyFileSync(join(folder, 'saved.json'), join(folder, SNAPSHOT));
    rmSync(join(folder, PREVIOUS_SNAPSHOT));
    expect(found().entries.map(({ key }) => key)).not.toContain('c');
    copyFileSync(join(folder, 'saved.log'), join(folder, LOG));
    expect(found()).toEqual(sorted(store.content));
  });

  test('of format 1 is read, and becomes format 2 with the next start', async () => {
    const body = '{"revision":7,"entries":[{"key":"a","value":"1","revision":3}],"log":"00ff"}';
    const sum = createHash('sha256').update(body).digest('hex');
    writeFileSync(join(folder, SNAPSHOT), JSON.stringify({ format: 1, sha256: sum, body }));
    const content = { revision: 7, entries: [{ key: 'a', value: '1', revision: 3 }] };
    expect(found()).toEqual(content);
    await (await started(content)).writer.close();
    expect(found()).toEqual(content);
    expect(readFileSync(join(folder, SNAPSHOT), 'utf8')).toMatch(
      /^[0-9a-f]{8} {"format":2,"revision":7,"log":"[0-9a-f]{16}"}\n\w{8} {"key":"a","value":"1","revision":3}\n\w{8} {"entries":1}\n$/,
    );
    writeFileSync(join(folder, SNAPSHOT), JSON.stringify({ format: 1, sha256: 'x', body }));
    rmSync(join(folder, PREVIOUS_SNAPSHOT));
    expect(readNewestBackup(folder)).toBeUndefined();
  });

  test('of a large catalog is written in pieces, while the event loop goes on', async () => {
    const value = JSON.stringify('é'.repeat(5000));
    const entries = Array.from({ length: 1000 }, (_, at) => ({
      key: `k${at}`,
      value,
      revision: 1,
    }));
    let turns = 0;
    const count = setInterval(() => turns++, 0);
    const store = await started({ revision: 1000, entries });
    clearInterval(count);
    expect(turns).toBeGreaterThan(20);
    await store.writer.close();
    expect(found()).toEqual(sorted(store.content));
    const whole = readFileSync(join(folder, SNAPSHOT));
    rmSync(join(folder, PREVIOUS_SNAPSHOT), { force: true });
    rmSync(join(folder, LOG));
    for (const at of [0, 5, 40, 1_000_000, whole.length - 20, whole.length - 1]) {
      writeFileSync(join(folder, SNAPSHOT), whole.subarray(0, at));
      expect(readNewestBackup(folder), `cut at ${at}`).toBeUndefined();
      const flipped = Buffer.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 0x10;
      writeFileSync(join(folder, SNAPSHOT), flipped);
      expect(readNewestBackup(folder), `changed at ${at}`).toBeUndefined();
    }
  });

  test('that cannot be written says so, and is whole again with the next commit', async () => {
    const store = await started();
    rmSync(folder, { recursive: true });
    const failing = new BackupWriter(folder, () => store.content);
    await expect(failing.start()).rejects.toThrow();
    await expect(failing.write({ revision: 1, changes: [] })).rejects.toThrow();
    folder = tempDir();
    const moved = new BackupWriter(folder, () => store.content);
    store.revision = 7;
    await moved.write({ revision: 7, changes: [] });
    expect(found()).toEqual(sorted(store.content));
    await moved.close();
    await store.writer.close();
  });
});

test('whatever is killed, torn and started again in whatever order, nothing that was written is lost', async () => {
  const step = oneof(
    { weight: 5, arbitrary: tuple(constant('write' as const), integer({ min: 0, max: 5 })) },
    { weight: 1, arbitrary: tuple(constant('restart' as const), constant(0)) },
    { weight: 1, arbitrary: tuple(constant('tear newest' as const), constant(0)) },
  );
  await assert(
    asyncProperty(array(step, { maxLength: 25 }), async (steps) => {
      for (const name of FILES) rmSync(join(folder, name), { force: true });
      let store = await started();
      // One tear between two starts: a second would be a second fault.
      let isTorn = false;
      for (const [what, key] of steps) {
        if (what === 'write') await store.write({ [`k${key}`]: `${store.revision}` });
        else if (what === 'restart') {
          await store.writer.close();
          const after = readNewestBackup(folder)?.content;
          expect(sorted(after)).toEqual(sorted(store.content));
          store = await started(after);
          isTorn = false;
        } else if (!isTorn && existsSync(join(folder, PREVIOUS_SNAPSHOT))) {
          writeFileSync(join(folder, SNAPSHOT), 'torn');
          isTorn = true;
        }
        expect(found()).toEqual(sorted(store.content));
      }
      await store.writer.close();
    }),
    { numRuns: 60 },
  );
});
