// How a keyspace is restored, by what the cluster has.

import { describe, expect, test } from 'vitest';
import type { ArchivedManifest } from '../../../archive/archived.ts';
import { planKeyspace } from '../../../loader/restore/plan.ts';
import type { PresentKeyspace } from '../../../loader/restore/plan.ts';
import type { WantedKeyspace } from '../../../loader/restore/snapshot.ts';
import { someManifest, UID } from '../../support/archives.ts';

const OTHER_UID = 'f'.repeat(16);

function manifest(number: number): ArchivedManifest {
  const one = someManifest();
  return { ...one, version: { ...one.version, number, digest: digestOf(number) } };
}

function digestOf(number: number): string {
  return String(number).padStart(32, '0');
}

/** Versions 3, 4 and 5, of which 4 is current. */
const wanted: WantedKeyspace = {
  keyspace: { uid: UID, name: 'prices', currentVersion: 4, versions: [] },
  manifests: [3, 4, 5].map(manifest),
  current: 4,
};

function has(uid: string, name: string, current: number, ...numbers: number[]): PresentKeyspace {
  const versions = numbers.map((number) => ({ number, digest: digestOf(number) }));
  return { uid, name, currentVersion: current, versions };
}

function plan(present: readonly PresentKeyspace[], target = 'prices', isSameShards = true): string {
  const { manifests, way } = planKeyspace(wanted, target, present, isSameShards);
  return [way, ...manifests.map(({ version }) => version.number)].join(' ');
}

describe('a keyspace', () => {
  test('that is not there comes back with its segments and all its versions', () => {
    expect(plan([])).toBe('segments 3 4 5');
    expect(plan([], 'under another name')).toBe('segments 3 4 5');
    expect(plan([has(OTHER_UID, 'geo', 1, 1)])).toBe('segments 3 4 5');
  });

  test('comes back by its rows where segments do not fit', () => {
    expect(plan([], 'prices', false)).toBe('rows 4');
    expect(plan([has(UID, 'prices', 4, 4)], 'beside')).toBe('rows 4');
  });

  test('goes on with the versions that are missing', () => {
    expect(plan([has(UID, 'prices', 0)])).toBe('segments 3 4 5');
    expect(plan([has(UID, 'prices', 3, 3)])).toBe('segments 4 5');
    expect(plan([has(UID, 'prices', 5, 3, 4, 5)])).toBe('segments');
    expect(plan([has(UID, 'prices', 4, 3, 4, 5)])).toBe('there');
  });

  test('goes on by its rows after a first load that has not ended', () => {
    expect(plan([has(OTHER_UID, 'prices', 0)])).toBe('rows 4');
    expect(plan([has(OTHER_UID, 'prices', 0)], 'prices', false)).toBe('rows 4');
  });

  test('is there if its current version has the digest', () => {
    expect(
      plan([{ ...has(OTHER_UID, 'prices', 1), versions: [{ number: 1, digest: digestOf(4) }] }]),
    ).toBe('there');
  });

  test.each([
    ['another keyspace of that name', has(OTHER_UID, 'prices', 1, 1)],
    ['a later version', has(UID, 'prices', 6, 3, 4, 6)],
    ['only later versions', has(UID, 'prices', 7, 6, 7)],
    ['a gap that cannot be filled', has(UID, 'prices', 5, 3, 5)],
    [
      'other content under a number',
      { ...has(UID, 'prices', 3), versions: [{ number: 3, digest: 'x' }] },
    ],
  ])('is not replaced: %s', (_, present) => {
    expect(() => plan([present])).toThrow(
      expect.objectContaining({ code: 'CONFLICT', message: expect.stringContaining('--as NAME') }),
    );
  });
});
