import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeCursor,
  encodeCursor,
  snapshotOf,
  versionOfCursor,
} from '../../../resp/data/scan-cursor.ts';

const UID = 'a7c0000000000001';

describe('a SCAN cursor', () => {
  it('carries snapshot, shard and position, below 2^53', () => {
    fc.assert(
      fc.property(
        fc.nat(2 ** 17 - 1),
        fc.nat(4095),
        fc.integer({ min: 1, max: 2 ** 24 - 1 }),
        (snapshot, shard, position) => {
          const text = encodeCursor(snapshot, { shard, position });
          expect(Number.isSafeInteger(Number(text))).toBe(true);
          expect(decodeCursor(text)).toEqual({ snapshot, shard, position });
        },
      ),
    );
  });

  it('is 0 at the beginning only', () => {
    expect(decodeCursor('0')).toEqual({ snapshot: undefined, shard: 0, position: 0 });
    for (const text of ['', '-0', '+0', '0'.repeat(1000)]) {
      expect(decodeCursor(text)).toEqual({ snapshot: undefined, shard: 0, position: 0 });
    }
    expect(decodeCursor('000').snapshot).toBeUndefined();
    expect(decodeCursor('+0017')).toEqual(decodeCursor('17'));
    expect(encodeCursor(0, { shard: 1, position: 0 })).not.toBe('0');
    expect(() => encodeCursor(0, { shard: 0, position: 0 })).toThrow();
  });

  it.each(['-1', '-9223372036854775808', '9007199254740992', '18446744073709551615'])(
    '%s is past the end, because no scan has returned it',
    (text) => {
      const { shard, snapshot } = decodeCursor(text);
      expect([shard, snapshot]).toEqual([4096, undefined]);
    },
  );

  it.each([
    ' 1',
    '1 ',
    'x',
    '-',
    '+',
    '--1',
    '- 1',
    '\t1',
    '1.5',
    '0x10',
    '1e3',
    '18446744073709551616',
    '-18446744073709551616',
    '1'.repeat(400),
    '1\0',
  ])('%j is refused as Redis refuses what is no number', (text) => {
    expect(() => decodeCursor(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: 'invalid cursor' }),
    );
  });

  it('stays with its first version while that is kept', () => {
    const keyspace = { uid: UID, currentVersion: 9, versions: [7, 8, 9] };
    for (const version of keyspace.versions) {
      const cursor = decodeCursor(
        encodeCursor(snapshotOf(UID, version), { shard: 3, position: 1 }),
      );
      expect(versionOfCursor(cursor, keyspace)).toBe(version);
    }
    expect(versionOfCursor(decodeCursor('0'), keyspace)).toBe(9);
  });

  it('must begin again if its version is gone, or in another keyspace', () => {
    const cursor = decodeCursor(encodeCursor(snapshotOf(UID, 7), { shard: 3, position: 1 }));
    for (const keyspace of [
      { uid: UID, currentVersion: 9, versions: [8, 9] },
      { uid: 'a8c0000000000001', currentVersion: 7, versions: [7] },
      { uid: UID, currentVersion: 0, versions: [] },
    ]) {
      expect(() => versionOfCursor(cursor, keyspace)).toThrow(
        expect.objectContaining({
          code: 'VERSION_NOT_FOUND',
          message: expect.stringContaining('begin again with cursor 0') as string,
        }),
      );
    }
  });
});
