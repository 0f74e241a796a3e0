import { asSegmentId } from '../../support/test-ids.ts';
import { describe, expect, test } from 'vitest';
import { replaceMerged } from '../../../master/catalog/merge-transitions.ts';
import { versionId } from '../../../master/catalog/records.ts';
import type { ManifestRecord, SegmentRecord } from '../../../master/catalog/records.ts';
import { catalogFacts } from '../../../master/core/world/datasets.ts';
import { addTotals } from '../../../master/catalog/totals.ts';
import type { TotalsRecord } from '../../../master/catalog/totals.ts';
import { CatalogHistory } from './catalog-history.ts';

const LANES = 4;

/** Only one word of the digest is used. */
function digestOf(number: number): string {
  const bytes = Buffer.alloc(LANES * 4);
  bytes.writeUInt32LE(number);
  return bytes.toString('hex');
}

function segment(name: string, records: number, shard = 0): SegmentRecord {
  const id = asSegmentId(name);
  const counts = { records, keyBytes: 10 * records, valueBytes: 100 * records };
  return { id, shard, fileBytes: 1000, ...counts, digest: digestOf(records) };
}

function totals(records: number): TotalsRecord {
  const { digest, keyBytes, valueBytes } = segment('', records);
  return { records, keyBytes, valueBytes, digest };
}

const BASE = segment('base', 100);
const DELTAS = [1, 2, 3, 4, 5, 6].map((number) => segment(`d${number}`, 10));
/** Each delta adds six keys and replaces four. */
const OVERWRITTEN = Object.fromEntries(DELTAS.map(({ id }) => [id, totals(4)]));
const OTHER = segment('other', 7, 1);
const IDS = ['base', 'd1', 'd2', 'd3', 'd4', 'd5'].map(asSegmentId);
const RESULT = segment('merged', 130);

function manifestOf(deltas: number): Pick<ManifestRecord, 'segments' | 'overwritten'> {
  return { segments: [BASE, ...DELTAS.slice(0, deltas), OTHER], overwritten: OVERWRITTEN };
}

/** Versions 1, 2 ... with these manifests, all of them kept. */
class Merged extends CatalogHistory {
  constructor(...manifests: Pick<ManifestRecord, 'segments' | 'overwritten'>[]) {
    super();
    manifests.forEach((manifest, index) => {
      const { number, uid } = this.load(100, { keep: 10 });
      expect(number).toBe(index + 1);
      const id = versionId(uid, number);
      const record = { uid, version: number, ...manifest };
      this.run(() => ({ changes: [{ table: 'manifest', id, record }], result: undefined }));
    });
  }

  merge(ids = IDS, result = RESULT): number[] {
    return this.run((state) => replaceMerged(state, this.uid, [{ ids, segment: result }]));
  }

  manifest(version: number): ManifestRecord {
    return this.state.manifest.get(versionId(this.uid, version))!;
  }

  ids(version: number): string[] {
    return this.manifest(version).segments.map(({ id }) => id);
  }

  /** The version's content, by its segments. */
  totals(version: number): TotalsRecord {
    const { overwritten = {}, segments } = this.manifest(version);
    const over = segments.flatMap(({ id }) => overwritten[id] ?? []);
    return addTotals(segments, over);
  }
}

describe('what deltas were merged to', () => {
  test('takes their place in each version that begins with them, and in no other', () => {
    const history = new Merged(manifestOf(4), manifestOf(5), manifestOf(6));
    const before = [1, 2, 3].map((version) => history.totals(version));
    expect(history.merge()).toEqual([2, 3]);
    expect(history.ids(1)).toEqual([...IDS.slice(0, 5), 'other']);
    expect(history.ids(2)).toEqual(['merged', 'other']);
    expect(history.ids(3)).toEqual(['merged', 'd6', 'other']);
    expect([1, 2, 3].map((version) => history.totals(version))).toEqual(before);
    expect(history.manifest(1)).toEqual({ uid: history.uid, version: 1, ...manifestOf(4) });
  });

  test('makes the manifest a newer one, which tells what is gone and what still overwrites', () => {
    const history = new Merged(manifestOf(6));
    history.merge();
    expect(history.manifest(1)).toMatchObject({ revision: 1, merged: IDS });
    expect(Object.keys(history.manifest(1).overwritten!)).toEqual(['d6']);
    expect(history.state.version.get(versionId(history.uid, 1))?.segmentBytes).toBe(3000);
    // A second time: it is no longer there, so nothing is written.
    expect(history.merge()).toEqual([]);
    history.merge([RESULT.id, ...DELTAS.slice(5).map(({ id }) => id)], segment('again', 136));
    expect(history.manifest(1)).toMatchObject({ revision: 2, merged: [...IDS, 'merged', 'd6'] });
  });

  test('leaves with its version, and with it what it was merged from', () => {
    const history = new Merged(manifestOf(5));
    history.merge();
    const record = { id: 'cluster', shardCount: 2, createdAt: '' };
    history.run(() => ({ changes: [{ table: 'cluster', id: '', record }], result: undefined }));
    for (let load = 0; load < 2; load++) history.load(100, { keep: 2 });
    expect(history.versions()).toBe('1 RETIRED, 2 COMMITTED, 3 COMMITTED');
    const { leaving } = catalogFacts(history.state, 2);
    expect(leaving.map(({ segmentIds }) => segmentIds)).toEqual([['merged', 'other', ...IDS]]);
  });

  test('stays out where it does not hold the same', () => {
    const history = new Merged(manifestOf(5));
    expect(history.merge(IDS, segment('merged', 131))).toEqual([]);
    expect(history.merge(IDS, { ...RESULT, digest: digestOf(131) })).toEqual([]);
    expect(history.merge(IDS, { ...RESULT, valueBytes: 1 })).toEqual([]);
    expect(history.merge(IDS.slice(1), RESULT)).toEqual([]);
    expect(history.ids(1)).toEqual([...IDS, 'other']);
  });

  test('stays out where a later delta has its very bytes, and may be one of those merged', () => {
    const twice = { segments: [BASE, ...DELTAS.slice(0, 5), RESULT], overwritten: OVERWRITTEN };
    const history = new Merged(twice);
    expect(history.merge()).toEqual([]);
    const whole = { ...OVERWRITTEN, merged: totals(130) };
    const other = new Merged({ ...twice, overwritten: whole });
    expect(other.merge([...IDS, RESULT.id])).toEqual([1]);
    expect(other.ids(1)).toEqual(['merged']);
    expect(other.manifest(1).merged).not.toContain('merged');
  });
});
