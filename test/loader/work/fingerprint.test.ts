import fc from 'fast-check';
import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { combineCrcs, flagsKey } from '../../../loader/work/fingerprint.ts';
import { loadSettings } from '../../../loader/settings.ts';

it('the CRC of consecutive parts is that of the whole, however it is cut', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 });
  fc.assert(
    fc.property(parts, (pieces) => {
      const crcs = pieces.map((piece) => ({ crc: crc32(piece), byteCount: piece.length }));
      return combineCrcs(crcs) === crc32(Buffer.concat(pieces));
    }),
  );
});

it('every flag counts but those that say where, how fast and how safely to load', () => {
  const keyOf = (flags: Record<string, unknown>): string => {
    const { values } = resolveSettings(loadSettings, { flags, environment: {}, file: {} });
    return flagsKey({ ...values, keyspace: 'ks', paths: ['a'] });
  };
  const changed: Record<string, unknown> = {
    master: 'h:1',
    format: 'csv',
    key: 'k',
    value: 'v',
    header: 'no',
    mode: 'append',
    onConflict: 'last',
    chunkSize: '1MiB',
    workers: 1,
    memoryMax: '300MiB',
    maxRejects: 1,
    rejects: 'r',
    workDir: 'w',
    noResume: true,
    minReplicas: 1,
    maxBytesPerSecond: '1MiB',
    replicaWait: '1s',
    expectRows: '1',
    minRows: 1,
    maxShrink: '1%',
    requireKey: ['a'],
    keep: 3,
    skipIfCurrent: true,
  };
  const plain = keyOf({});
  const same = Object.entries(changed)
    .filter(([name, value]) => keyOf({ [name]: value }) === plain)
    .map(([name]) => name);
  expect(same.toSorted()).toEqual([
    'chunkSize',
    'master',
    'maxBytesPerSecond',
    'memoryMax',
    'minReplicas',
    'noResume',
    'rejects',
    'replicaWait',
    'skipIfCurrent',
    'workDir',
    'workers',
  ]);
});
