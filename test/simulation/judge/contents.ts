// What each version holds: one content, from the first moment that it is reported to a caller.

import type { AppendRecord } from '../../../master/catalog/records.ts';
import { isSameTotals, totalsRecord } from '../../../master/catalog/totals.ts';
import type { Manifest } from '../../../proto/gen/stele/v1/segment.ts';
import { shardNamedBy } from '../../../base/segment-name.ts';
import { openSegment } from '../../../segment/reader.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { overlaid, SHARDS, textOf } from '../cluster/segments.ts';
import type { Rows } from '../cluster/segments.ts';

const NOTHING: readonly Rows[] = Array.from({ length: SHARDS }, () => new Map());

export class Contents {
  readonly #cluster: Cluster;
  readonly #fail: (what: string) => void;
  /** `<uid>/<version>` -> what it holds, by shard. */
  readonly #contents = new Map<string, readonly Rows[]>();
  /** Manifests that were looked at. */
  readonly #noted = new Set<string>();

  constructor(cluster: Cluster, fail: (what: string) => void) {
    this.#cluster = cluster;
    this.#fail = fail;
  }

  valueOf(uid: string, version: number, shard: number, key: string): string | undefined {
    return this.#contents.get(`${uid}/${version}`)?.[shard]?.get(key);
  }

  of(uid: string, version: number): readonly Rows[] | undefined {
    return this.#contents.get(`${uid}/${version}`);
  }

  /** A caller learns that the version consists of these segments, by shard and oldest first. */
  note(uid: string, version: number, ids: readonly string[], manifest: Manifest | undefined): void {
    const ref = `${uid}/${version}`;
    const name = `${ref} ${manifest?.revision ?? ''} ${ids.join()}`;
    if (this.#noted.has(name)) return;
    this.#noted.add(name);
    const content = Array.from({ length: SHARDS }, (_, shard) =>
      overlaid(ids.filter((id) => shardNamedBy(id) === shard).map((id) => this.#rowsOf(uid, id))),
    );
    const before = this.#contents.get(ref);
    if (before !== undefined && textOfRows(before) !== textOfRows(content)) {
      this.#fail(
        `version ${ref} has two contents: ${textOfRows(before)} and ${textOfRows(content)}`,
      );
      return;
    }
    this.#contents.set(ref, content);
    if (manifest === undefined) return;
    if (!isSameTotals(this.#cluster.book.totalsOf(uid, content), totalsRecord(manifest))) {
      this.#fail(`version ${ref} says ${manifest.records} records, counts or digest are others`);
    }
  }

  /** At the moment of the flip: on what was current until then. */
  appended(
    uid: string,
    version: number,
    base: number,
    deltaIds: readonly string[],
    outcome: AppendRecord,
  ): void {
    const before = this.of(uid, base) ?? NOTHING;
    const deltas = new Map(deltaIds.map((id) => [shardNamedBy(id), this.#rowsOf(uid, id)]));
    const counts = { added: 0, replaced: 0, unchanged: 0 };
    const wanted = Array.from({ length: SHARDS }, (_, shard) => {
      const rows = before[shard] ?? new Map<string, string>();
      const delta = deltas.get(shard) ?? new Map<string, string>();
      for (const [key, value] of delta) {
        if (!rows.has(key)) counts.added++;
        else if (rows.get(key) === value) counts.unchanged++;
        else counts.replaced++;
      }
      return overlaid([rows, delta]);
    });
    const content = this.of(uid, version) ?? NOTHING;
    if (textOfRows(wanted) !== textOfRows(content)) {
      this.#fail(
        `an append makes ${textOfRows(content)} of ${textOfRows(before)}, not ${textOfRows(wanted)}`,
      );
    }
    const { added, replaced, unchanged } = outcome;
    const isCounted =
      added === counts.added && replaced === counts.replaced && unchanged === counts.unchanged;
    if (!isCounted)
      this.#fail(`an append counts ${JSON.stringify(outcome)}, not ${JSON.stringify(counts)}`);
  }

  /** A segment that no load has brought is a merge's, and on the disks where that was made. */
  #rowsOf(uid: string, id: string): Rows {
    const { book, datanodes } = this.#cluster;
    const name = `${uid} ${id}`;
    const known = book.rowsOf(name);
    if (known !== undefined) return known;
    for (const node of datanodes.values()) {
      const bytes = node.segmentFile(name)?.bytes;
      if (bytes !== undefined && book.isIntact(name, bytes)) {
        return book.note(name, openSegment(bytes));
      }
    }
    this.#fail(`nobody has segment ${name}, which a version consists of`);
    return new Map();
  }
}

/** `a=1 b=2 | | c=1 | a=22` */
function textOfRows(content: readonly Rows[]): string {
  return content.map(textOf).join(' | ');
}
