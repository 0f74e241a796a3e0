// Measures the records of a version that this node holds, for `stele cost`: sizes of a sample, and
// what their indexes take.

import type {
  MeasureRecordsRequest,
  MeasureRecordsResponse,
} from '../../proto/gen/stele/v1/datanode.ts';
import { residentBytesOf } from '../../segment/resident.ts';
import type { Datanode } from '../node.ts';
import { scanAnywhere } from '../reads/disk-scan.ts';
import { POSITION_END } from '../reads/shard-records.ts';
import { randomShard } from '../reads/scanning.ts';
import { segmentsOf } from '../storage/version-tables.ts';

const PLACES = 64;
/** Neighbours by their hash are as random as any others. */
const RECORDS_PER_PLACE = 16;
/** Of values: a sample of large ones is smaller, because those on disk are read. */
const VALUE_BYTES_MAX = 8 * 1024 * 1024;

/** Throws WRONG_NODE, and what reads throw. `random` returns 0 .. 1. */
export async function measureRecords(
  node: Datanode,
  { expectNode, keyspaceUid, version }: MeasureRecordsRequest,
  random: () => number = Math.random,
): Promise<MeasureRecordsResponse> {
  node.identity.expect(expectNode, '');
  const answer: MeasureRecordsResponse = {
    keyBytes: [],
    valueBytes: [],
    records: 0,
    indexBytes: 0,
  };
  const table = node.tables.get(keyspaceUid, version);
  if (table === undefined) return answer;
  for (let shard = 0; shard < table.shards.length; shard++) {
    for (const { header } of segmentsOf(table, shard) ?? []) {
      answer.records += header.records;
      answer.indexBytes += residentBytesOf(header);
    }
  }
  let valueBytesLeft = VALUE_BYTES_MAX;
  for (let place = 0; place < PLACES && valueBytesLeft > 0; place++) {
    const shard = randomShard(table, [...table.shards.keys()], random);
    if (shard === undefined) break;
    const from = { shard, position: Math.floor(random() * POSITION_END) };
    const limits = { recordsMax: RECORDS_PER_PLACE, withSizes: true };
    const planOf = (one: number): 'scan' | 'stop' => (one === shard ? 'scan' : 'stop');
    const page = await scanAnywhere(node.disk, table, from, planOf, limits);
    for (const key of page.keys) answer.keyBytes.push(key.length);
    for (const valueBytes of page.valueBytes ?? []) {
      answer.valueBytes.push(valueBytes);
      valueBytesLeft -= valueBytes;
    }
  }
  return answer;
}
