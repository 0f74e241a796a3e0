// Segments beside a plain Map<string, Buffer> and lmdb: build, hit, miss, bytes a key. Prints Markdown.
//
//     npm run bench -- segment             1 M and 10 M keys
//     node bench/segment.mjs KEYS...       other numbers of keys
//
// Keys are 36 bytes in the form of a UUID, values 70 bytes. Rows are looked up in random order, by keys
// that lie one after the other in one Buffer, as bytes: bytes are what a server has. Each contender runs
// in a process of its own, in one thread. Segments: 128 shards; the build is 128 times the median shard.
// Lookups: the best of seven rounds of a million, since whatever else the machine does only ever adds.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const KEY_BYTES = 36;
const VALUE_BYTES = 70;
const SHARDS = 128;
const LOOKUPS = 1_000_000;
const ROUNDS = 7;
const CONTENDERS = { segment: benchSegment, map: benchMap, lmdb: benchLmdb };

const [role, contender, count] = process.argv.slice(2);
if (role === '--contender') {
  const result = await CONTENDERS[contender](Number(count));
  process.stdout.write(`${JSON.stringify(result)}\n`);
} else {
  const counts = process.argv.slice(2).map(Number);
  report(counts.length > 0 ? counts : [1_000_000, 10_000_000]);
}

function report(counts) {
  console.log('| keys | store | build rows/s | hit ns | miss ns | index B/key | overhead B/key |');
  console.log('|---|---|---|---|---|---|---|');
  for (const keyCount of counts) {
    for (const name of Object.keys(CONTENDERS)) {
      const row = runContender(name, keyCount);
      const columns = [
        keyCount.toLocaleString('en'),
        row.name,
        Math.round(row.rowsPerSecond).toLocaleString('en'),
        row.hitNs.toFixed(0),
        row.missNs.toFixed(0),
        row.indexBytes?.toFixed(2) ?? '',
        row.overheadBytes.toFixed(2),
      ];
      console.log(`| ${columns.join(' | ')} |`);
    }
  }
}

function runContender(name, keyCount) {
  const flags = ['--expose-gc', '--max-old-space-size=12000'];
  const script = fileURLToPath(import.meta.url);
  const child = spawnSync(
    process.execPath,
    [...flags, script, '--contender', name, String(keyCount)],
    { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' },
  );
  if (child.status !== 0) throw new Error(`${name} ended with ${child.status ?? child.signal}`);
  return JSON.parse(child.stdout);
}

async function benchSegment(keyCount) {
  const { SegmentBuilder } = await import('../dist/segment/builder.js');
  const { openSegment, findRecord } = await import('../dist/segment/reader.js');
  const { recordBytes, writeRecord } = await import('../dist/segment/record.js');
  const { keys, value } = makeKeys(keyCount);

  // Row i belongs to shard i mod 128. The first shard is built once before, for the compiler.
  const parts = Array.from({ length: SHARDS }, (_, shard) => {
    const rows = Math.ceil((keyCount - shard) / SHARDS);
    const part = Buffer.alloc(rows * recordBytes(KEY_BYTES, VALUE_BYTES));
    let at = 0;
    for (let i = shard; i < keyCount; i += SHARDS) {
      const key = i * KEY_BYTES;
      at = writeRecord(part, at, keys, key, key + KEY_BYTES, value(i), 0, VALUE_BYTES);
    }
    return part;
  });
  const builder = new SegmentBuilder();
  const build = (shard) =>
    builder.build({
      keyspaceUid: '0123456789abcdef',
      shard,
      shardCount: SHARDS,
      parts: [parts[shard]],
      onConflict: 'error',
    }).segment;
  for (let round = 0; round < 10; round++) build(0);
  const buildTimesMs = [];
  const segments = parts.map((_, shard) => {
    const start = performance.now();
    const { bytes } = build(shard);
    buildTimesMs.push(performance.now() - start);
    return openSegment(bytes);
  });
  const seconds = (median(buildTimesMs) * SHARDS) / 1000;

  const find = (from, i, shard) =>
    findRecord(segments[shard], from, i * KEY_BYTES, (i + 1) * KEY_BYTES) >= 0;
  const total = (field) => segments.reduce((sum, segment) => sum + field(segment), 0);
  const fileBytes = total((segment) => segment.meta.fileBytes);
  return {
    name: 'segment',
    rowsPerSecond: keyCount / seconds,
    ...timeLookups(keyCount, keys, find, (i) => i % SHARDS),
    indexBytes: total((segment) => segment.lines.byteLength) / keyCount,
    overheadBytes: (fileBytes - keyCount * (KEY_BYTES + VALUE_BYTES)) / keyCount,
  };
}

async function benchMap(keyCount) {
  const { keys, value } = makeKeys(keyCount);
  const text = (from, i) => from.latin1Slice(i * KEY_BYTES, (i + 1) * KEY_BYTES);
  const before = memoryBytes();
  const start = performance.now();
  const map = new Map();
  for (let i = 0; i < keyCount; i++) map.set(text(keys, i), Buffer.from(value(i)));
  const seconds = (performance.now() - start) / 1000;
  const held = memoryBytes() - before;
  return {
    name: 'Map',
    rowsPerSecond: keyCount / seconds,
    ...timeLookups(keyCount, keys, (from, i) => map.get(text(from, i)) !== undefined),
    overheadBytes: held / keyCount - KEY_BYTES - VALUE_BYTES,
  };
}

async function benchLmdb(keyCount) {
  const { open } = await import('lmdb');
  const { keys, value } = makeKeys(keyCount);
  const folder = mkdtempSync(join(tmpdir(), 'stele-segment-bench-'));
  const path = join(folder, 'data.mdb');
  const store = open({ path, keyEncoding: 'binary', encoding: 'binary', noSync: true });
  try {
    const keyAt = (from, i) => from.subarray(i * KEY_BYTES, (i + 1) * KEY_BYTES);
    const start = performance.now();
    for (let from = 0; from < keyCount; from += 100_000) {
      store.transactionSync(() => {
        const end = Math.min(keyCount, from + 100_000);
        for (let i = from; i < end; i++) store.putSync(keyAt(keys, i), value(i));
      });
    }
    const seconds = (performance.now() - start) / 1000;
    return {
      name: 'lmdb',
      rowsPerSecond: keyCount / seconds,
      ...timeLookups(
        keyCount,
        keys,
        (from, i) => store.getBinaryFast(keyAt(from, i)) !== undefined,
      ),
      overheadBytes: statSync(path).size / keyCount - KEY_BYTES - VALUE_BYTES,
    };
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Best ns of a hit and of a miss. `find(buffer, i)` looks up the i-th key of a buffer. The keys asked
 * for lie in the order of asking, as in received messages; the rows they hit are all over the place.
 */
function timeLookups(keyCount, keys, find, shardOf = () => 0) {
  const random = xorshift(4711);
  const places = Uint32Array.from({ length: LOOKUPS }, () => random() % keyCount);
  const asked = Buffer.alloc(LOOKUPS * KEY_BYTES);
  const shards = Uint8Array.from(places, shardOf);
  places.forEach((place, n) => {
    keys.copy(asked, n * KEY_BYTES, place * KEY_BYTES, (place + 1) * KEY_BYTES);
  });
  const absent = makeKeys(LOOKUPS, 77).keys;
  const hits = [];
  const misses = [];
  for (let round = 0; round < ROUNDS; round++) {
    hits.push(nsPerLookup(asked, shards, find, LOOKUPS));
    misses.push(nsPerLookup(absent, shards, find, 0));
  }
  return { hitNs: Math.min(...hits), missNs: Math.min(...misses) };
}

function nsPerLookup(asked, shards, find, expected) {
  let found = 0;
  const start = performance.now();
  for (let n = 0; n < LOOKUPS; n++) if (find(asked, n, shards[n])) found++;
  const ns = ((performance.now() - start) * 1e6) / LOOKUPS;
  if (found !== expected) throw new Error(`${found} found instead of ${expected}`);
  return ns;
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/** `keyCount` different keys in one Buffer, and a function that gives the value of each. */
function makeKeys(keyCount, seed = 1) {
  const random = xorshift(seed);
  const keys = Buffer.alloc(keyCount * KEY_BYTES, '-');
  const hex = Buffer.from('0123456789abcdef');
  for (let i = 0; i < keyCount; i++) {
    let word = 0;
    for (let at = 0, digits = 0; at < KEY_BYTES; at++) {
      if (at === 8 || at === 13 || at === 18 || at === 23) continue;
      if (digits++ % 8 === 0) word = random();
      keys[i * KEY_BYTES + at] = hex[word & 15];
      word >>>= 4;
    }
  }
  const scratch = Buffer.alloc(VALUE_BYTES, 'abcdefghijklmnopqrstuvwxyz');
  const value = (i) => {
    scratch.writeUInt32LE(i, 0);
    return scratch;
  };
  return { keys, value };
}

function xorshift(seed) {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

function memoryBytes() {
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
