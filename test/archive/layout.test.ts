// Marks, manifests and snapshots: what is written is read, and what is torn, altered, foreign or
// newer is refused.

import { expect, test } from 'vitest';
import {
  decodeManifest,
  decodeMark,
  decodeSnapshot,
  encodeManifest,
  encodeMark,
  encodeSnapshot,
  segmentObject,
} from '../../archive/layout.ts';
import type { ArchivedManifest, Snapshot } from '../../archive/archived.ts';
import { someManifest, someSnapshot, UID } from '../support/archives.ts';

const manifest = encodeManifest(someManifest());
const snapshot = encodeSnapshot(someSnapshot(manifest.name));

test('are read as they were written, under names that sort by time', () => {
  expect(manifest.name).toMatch(new RegExp(`^manifests/${UID}/7-[0-9a-f]{32}\\.json$`));
  expect(snapshot.name).toMatch(/^snapshots\/20261201T073000Z-[0-9a-f]{32}\.json$/);
  expect(decodeManifest(manifest.name, manifest.bytes)).toMatchObject(someManifest());
  expect(decodeSnapshot(snapshot.name, snapshot.bytes)).toMatchObject(someSnapshot(manifest.name));
  const mark = { clusterId: UID, shardCount: 8, createdAt: '2026-12-01T00:00:00.000Z' };
  expect(decodeMark(encodeMark(mark))).toMatchObject(mark);
  const id = someManifest().segments[0]?.id ?? '';
  expect(segmentObject(UID, id)).toBe(`segments/${UID}/${id}.seg`);
  expect(() => segmentObject(UID, '../x')).toThrow();
});

test('are refused with any byte changed, and cut at any byte', () => {
  for (const { bytes, name } of [manifest, snapshot]) {
    const decode = (altered: Buffer): unknown =>
      name === manifest.name ? decodeManifest(name, altered) : decodeSnapshot(name, altered);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ 1;
      expect(() => decode(flipped)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
      const cut = bytes.subarray(0, at);
      expect(() => decode(cut)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    }
  }
});

test('are refused under the name of another', () => {
  const other = encodeManifest({ ...someManifest(), keyspaceUid: 'f'.repeat(16) });
  const name = other.name.replace('f'.repeat(16), UID);
  expect(() => decodeManifest(name, other.bytes)).toThrow('another version');
});

test('of a later release are refused with what to do, and of none as damaged', () => {
  const mark = (text: string) => (): unknown => decodeMark(Buffer.from(text));
  expect(mark('{"format":2,"clusterId":"x"}')).toThrow(
    expect.objectContaining({
      code: 'UNKNOWN_FORMAT',
      message: expect.stringContaining('has format 2; this Stele reads 1'),
    }),
  );
  const good = { clusterId: UID, shardCount: 8, createdAt: 'now' };
  for (const format of [undefined, 0, '1', -1, null]) {
    const text = JSON.stringify({ format, ...good });
    expect(mark(text)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  }
  for (const text of ['', '[]', 'null', '7', '{', '{"format":1}']) {
    expect(mark(text)).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  }
});

type Change<Of> = (whole: Of) => Of;

const wrongManifests: [string, Change<ArchivedManifest>][] = [
  ['is of another shard', (m) => ({ ...m, shardCount: 1 })],
  ['no number of shards', (m) => ({ ...m, shardCount: 3 })],
  ['twice', (m) => ({ ...m, segments: [...m.segments, ...m.segments.slice(-1)] })],
  ['order of the shards', (m) => ({ ...m, segments: m.segments.toReversed() })],
  ['do not add up', (m) => ({ ...m, segments: m.segments.slice(1) })],
  ['do not add up', (m) => ({ ...m, overwritten: {} })],
  ['do not add up', (m) => ({ ...m, version: { ...m.version, records: 9 } })],
  ['do not add up', (m) => ({ ...m, version: { ...m.version, digest: '0'.repeat(32) } })],
  ['it has no segment', (m) => ({ ...m, overwritten: { x: m.version } })],
];

test.each(wrongManifests)('a manifest: %s', (says, change) => {
  const { bytes, name } = encodeManifest(change(someManifest()));
  expect(() => decodeManifest(name, bytes)).toThrow(
    expect.objectContaining({ code: 'CORRUPT', message: expect.stringContaining(says) }),
  );
});

const wrongSnapshots: [string, Change<Snapshot>][] = [
  ['in it twice', (s) => ({ ...s, keyspaces: [...s.keyspaces, ...s.keyspaces] })],
  [
    'current version',
    (s) => ({ ...s, keyspaces: s.keyspaces.map((k) => ({ ...k, currentVersion: 6 })) }),
  ],
  [
    'not in order',
    (s) => ({
      ...s,
      keyspaces: s.keyspaces.map((k) => ({ ...k, versions: [...k.versions, ...k.versions] })),
    }),
  ],
  [
    'is no manifest',
    (s) => ({
      ...s,
      keyspaces: s.keyspaces.map((k) => ({
        ...k,
        versions: k.versions.map((v) => ({ ...v, manifest: '../x' })),
      })),
    }),
  ],
  ['not the snapshot', (s) => ({ ...s, clusterId: 'x' })],
];

test.each(wrongSnapshots)('a snapshot: %s', (says, change) => {
  const { bytes, name } = encodeSnapshot(change(someSnapshot(manifest.name)));
  expect(() => decodeSnapshot(name, bytes)).toThrow(
    expect.objectContaining({ code: 'CORRUPT', message: expect.stringContaining(says) }),
  );
});
