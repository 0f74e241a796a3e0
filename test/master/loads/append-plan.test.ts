import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendTotals, planAppend, planWhole } from '../../../master/loads/append-plan.ts';
import type { ManifestRecord, SegmentRecord } from '../../../master/catalog/records.ts';
import type { DeltaMeasure, DeltaRef } from '../../../proto/gen/stele/v1/datanode.ts';
import { overlaySteps } from '../../../segment/overlay.ts';
import type { Segment } from '../../../segment/reader.ts';
import { windowed } from '../../../segment/record-window.ts';
import { digestOf, finish, flatten, layers, segmentOf } from '../../segment/chains.ts';
import type { Layer } from '../../segment/chains.ts';

const SHARDS = 128;

/** A shard by its segments, as datanodes would hold and measure them. */
class Shard {
  readonly #segments = new Map<string, Segment>();
  readonly #layers = new Map<string, Layer>();
  manifest: Pick<ManifestRecord, 'segments' | 'overwritten'> | undefined;

  append(layer: Layer) {
    const segment = segmentOf(layer);
    this.#segments.set(segment.meta.id, segment);
    this.#layers.set(segment.meta.id, layer);
    const plan = planAppend(this.manifest, [recordOf(segment)], SHARDS);
    const done = appendTotals(
      plan,
      plan.wanted.map(({ ref }) => this.#measure(ref)),
    );
    this.manifest = { segments: plan.segments, overwritten: done.overwritten };
    return done;
  }

  /** The segments as if they came from an archive, measured again. */
  restored() {
    const plan = planWhole(this.manifest!.segments);
    return appendTotals(
      plan,
      plan.wanted.map(({ ref }) => this.#measure(ref)),
    );
  }

  /** What the version's segments say, newest last. */
  get rows(): Map<string, string> {
    return flatten(this.manifest!.segments.map(({ id }) => this.#layers.get(id)!));
  }

  #measure({ olderIds, segmentId }: DeltaRef): DeltaMeasure {
    const older = olderIds.map((id) => windowed(this.#segments.get(id)!));
    const measured = finish(overlaySteps(windowed(this.#segments.get(segmentId)!), older));
    return { segmentId, held: true, ...measured };
  }
}

function recordOf({ meta }: Segment): SegmentRecord {
  const { digest, fileBytes, id, keyBytes, records, shard, valueBytes } = meta;
  return { id, shard, fileBytes, records, keyBytes, valueBytes, digest: digest.toString('hex') };
}

function changes(before: Layer, layer: Layer): object {
  const counts = { added: 0, replaced: 0, unchanged: 0 };
  for (const [key, value] of layer) {
    if (!before.has(key)) counts.added++;
    else if (before.get(key) === value) counts.unchanged++;
    else counts.replaced++;
  }
  return counts;
}

/** Appends in any order, the same rows again and again among them. */
const appends = layers.chain((some) =>
  fc
    .array(fc.nat(some.length - 1), { minLength: 1, maxLength: 10 })
    .map((order) => order.map((index) => some[index]!)),
);

describe('appends, one after the other', () => {
  it('come to the digest and the counts of what was written last, whatever was written before', () => {
    fc.assert(
      fc.property(appends, (order) => {
        const shard = new Shard();
        let model = new Map<string, string>();
        for (const layer of order) {
          const { outcome, totals } = shard.append(layer);
          expect(outcome).toEqual(changes(model, layer));
          model = flatten([model, layer]);
          expect(shard.rows).toEqual(model);
          expect(totals.records).toBe(model.size);
          expect(totals.digest).toBe(digestOf(model));
          const restored = shard.restored();
          expect(restored.totals).toEqual(totals);
          expect(restored.overwritten).toEqual(shard.manifest!.overwritten);
        }
        const ids = shard.manifest!.segments.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });

  it('measure the delta alone, against what is there, newest first', () => {
    const shard = new Shard();
    for (const value of ['1', '2', '3']) shard.append(new Map([[`key-${value}`, value]]));
    const ids = shard.manifest!.segments.map(({ id }) => id);
    const delta = recordOf(segmentOf(new Map([['key-1', 'again']])));
    const { wanted } = planAppend(shard.manifest, [delta], SHARDS);
    expect(wanted.map(({ ref }) => ref)).toEqual([
      { segmentId: delta.id, olderIds: [...ids].reverse() },
    ]);
  });

  it('leave the shards alone that the input has nothing for', () => {
    const shard = new Shard();
    shard.append(new Map([['a', '1']]));
    const { segments, wanted } = planAppend(shard.manifest, [], SHARDS);
    expect(segments).toEqual(shard.manifest!.segments);
    expect(wanted).toEqual([]);
  });
});
