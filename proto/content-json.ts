// The JSON of answers about the records of a keyspace: what differs between versions, what is read
// most, what it costs.

import { isUtf8 } from 'node:buffer';
import type {
  DiffVersionsResponse,
  GetCostResponse,
  ListHotKeysResponse,
  SizeQuantiles,
} from './gen/stele/v1/cluster.ts';
import type { DiffSample, DiffValue } from './gen/stele/v1/diff.ts';
import type { HotKey } from './gen/stele/v1/hot_keys.ts';
import type { Json } from './json-shapes.ts';
import { diffKindWord, tierWord } from './view-words.ts';

/** Keys and values of samples are text, or base64 if they are not UTF-8. */
export function diffJson(
  keyspace: string,
  answer: DiffVersionsResponse,
  encoding: 'utf8' | 'base64',
): Json {
  const { counts, from, samples, shardsCompared, shardsTotal, to } = answer;
  return {
    keyspace,
    from,
    to,
    added: counts?.added ?? 0,
    removed: counts?.removed ?? 0,
    changed: counts?.changed ?? 0,
    shards: { compared: shardsCompared, total: shardsTotal },
    samples: samples.map((sample) => sampleJson(sample, encoding)),
  };
}

function sampleJson(sample: DiffSample, encoding: 'utf8' | 'base64'): Json {
  const value = (one: DiffValue | undefined): object | null =>
    one === undefined ? null : { value: one.bytes.toString(encoding), bytes: one.byteLength };
  return {
    kind: diffKindWord(sample.kind),
    key: sample.key.toString(encoding),
    from: value(sample.from),
    to: value(sample.to),
  };
}

/** Which keys are read, with null for what is not known. */
export function hotKeysJson(keyspace: string, answer: ListHotKeysResponse): Json {
  return {
    keyspace,
    reads_per_second: rounded(answer.readsPerSecond),
    hottest: answer.hottest.map(hotKeyJson),
    largest: answer.largest.map(hotKeyJson),
    unanswered: answer.unanswered,
  };
}

function hotKeyJson({ key, readsPerSecond, valueBytes }: HotKey): Json {
  const encoding = isUtf8(key) ? 'utf8' : 'base64';
  return {
    key: Buffer.from(key).toString(encoding),
    encoding,
    reads_per_second: rounded(readsPerSecond),
    value_bytes: valueBytes ?? null,
  };
}

/** What a keyspace costs, with null for what is not known. */
export function costJson(keyspace: string, answer: GetCostResponse): Json {
  const { changes, hitRatio, keySizes, tier, tiers, unanswered, valueSizes } = answer;
  return {
    keyspace,
    version: answer.version,
    records: answer.records,
    key_bytes: answer.keyBytes,
    value_bytes: answer.valueBytes,
    tier: tierWord(tier),
    suspended: answer.suspended,
    copies: answer.replication,
    versions: answer.versionsKept,
    tiers: tiers.map((one) => ({
      tier: tierWord(one.tier),
      memory_bytes: one.memoryBytes,
      disk_bytes: one.diskBytes,
      memory_bytes_per_record: rounded(one.memoryBytesPerRecord),
      disk_bytes_per_record: rounded(one.diskBytesPerRecord),
    })),
    changes: changes.map((one) => ({
      change: one.change,
      memory_bytes: one.memoryBytes,
      disk_bytes: one.diskBytes,
    })),
    sampled: answer.sampled,
    key_sizes: sizesJson(keySizes),
    value_sizes: sizesJson(valueSizes),
    reads_per_second: rounded(answer.readsPerSecond),
    hit_ratio: hitRatio ?? null,
    unanswered,
  };
}

function sizesJson(sizes: SizeQuantiles | undefined): Json | null {
  return sizes === undefined ? null : { ...sizes };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
