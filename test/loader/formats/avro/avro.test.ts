// Avro files of other writers: Apache's for Python (Debian's python3-avro) and for JavaScript
// (avro-js).

import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import files from 'avro-js/lib/files.js';
import { snappyCompress } from 'hyparquet-writer/src/snappy.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { rawFrame } from '../../../support/inputs/zstd-frames.ts';
import { tempDir } from '../../../support/temp-dir.ts';
import { pythonWith, runTool } from '../../../support/tools.ts';
import { failure, setUp, write } from '../../load-setup.ts';
import { readFile, textRows } from '../read-file.ts';

type Codecs = Record<
  string,
  (bytes: Buffer, done: (error: unknown, packed: Buffer) => void) => void
>;

const CODECS: Codecs = {
  null: (bytes, done) => done(null, bytes),
  deflate: (bytes, done) => done(null, deflateRawSync(bytes)),
  snappy: (bytes, done) => done(null, snappy(bytes)),
  zstandard: (bytes, done) => done(null, rawFrame(bytes)),
  bzip2: (bytes, done) => done(null, bytes),
};

function snappy(bytes: Buffer): Buffer {
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(bytes));
  return Buffer.concat([snappyCompress(bytes), checksum]);
}

/** Writes a file with avro-js. */
async function written(
  schema: unknown,
  rows: readonly unknown[],
  codec = 'null',
  blockSize = 65_536,
): Promise<string> {
  const path = join(tempDir(), 'a.avro');
  const encoder = new files.streams.BlockEncoder(schema, { codec, codecs: CODECS, blockSize });
  const file = encoder.pipe(createWriteStream(path));
  const end = new Promise<void>((resolve, reject) => {
    file.on('finish', resolve);
    encoder.on('error', reject);
  });
  for (const row of rows) encoder.write(row);
  encoder.end();
  await end;
  return path;
}

const record = (fields: Record<string, unknown>): object => ({
  type: 'record',
  name: 'row',
  fields: Object.entries(fields).map(([name, type]) => ({ name, type })),
});

const PAIR = record({ k: 'string', v: 'string' });
const pairs = (count: number): { k: string; v: string }[] =>
  Array.from({ length: count }, (_, row) => ({ k: `key${row}`, v: `value ${row} é`.repeat(3) }));

describe('a file of avro-js', () => {
  for (const codec of ['null', 'deflate', 'snappy', 'zstandard']) {
    it(`is read with the codec ${codec}, cut anywhere`, async () => {
      const rows = pairs(5000);
      const path = await written(PAIR, rows, codec, 4096);
      const read = await readFile(path, 'avro');
      expect(textRows(read)).toEqual(new Map(rows.map(({ k, v }) => [k, v])));
      const cut = await readFile(path, 'avro', {}, 20_000);
      expect(cut.chunks.length).toBeGreaterThan(1);
      expect(cut.rows).toEqual(read.rows);
    });
  }

  it('has nested values, unions and bytes as JSON', async () => {
    const schema = record({
      id: 'int',
      flag: 'boolean',
      none: 'null',
      f: 'float',
      d: 'double',
      b: 'bytes',
      e: { type: 'enum', name: 'colour', symbols: ['RED', 'GREEN'] },
      x: { type: 'fixed', name: 'two', size: 2 },
      l: { type: 'array', items: ['null', 'long'] },
      m: { type: 'map', values: 'string' },
      u: [
        'null',
        'string',
        { type: 'record', name: 'inner', fields: [{ name: 'a', type: 'int' }] },
      ],
    });
    const rows = [
      {
        ...{ id: 1, flag: true, none: null, f: 0.1, d: 0.1, b: Buffer.from([0, 255]), e: 'GREEN' },
        ...{ x: Buffer.from([1, 2]), l: [null, { long: -3 }], m: { 'a"': 'x' }, u: null },
      },
      {
        ...{ id: -2, flag: false, none: null, f: -0, d: NaN, b: Buffer.alloc(0), e: 'RED' },
        ...{ x: Buffer.from([1, 2]), l: [], m: {}, u: { inner: { a: 7 } } },
      },
    ];
    const path = await written(schema, rows);
    const values = [...textRows(await readFile(path, 'avro'))];
    expect(values).toEqual([
      [
        '1',
        '{"flag":true,"none":null,"f":0.1,"d":0.1,"b":"AP8=","e":"GREEN","x":"AQI=","l":[null,-3],"m":{"a\\"":"x"},"u":null}',
      ],
      [
        '-2',
        '{"flag":false,"none":null,"f":-0,"d":"NaN","b":"","e":"RED","x":"AQI=","l":[],"m":{},"u":{"a":7}}',
      ],
    ]);
    const one = await readFile(path, 'avro', { key: 'e', value: 'b' });
    expect(one.rows).toEqual([
      [Buffer.from('GREEN'), Buffer.from([0, 255])],
      [Buffer.from('RED'), Buffer.alloc(0)],
    ]);
    const nested = textRows(await readFile(path, 'avro', { key: 'e', value: 'u' }));
    expect([...nested]).toEqual([
      ['GREEN', ''],
      ['RED', '{"a":7}'],
    ]);
    const error = await failure(readFile(path, 'avro', { key: 'm' }));
    expect(error.message).toMatch(
      /cannot be keys; choose another with --key: id, flag, none, f, d, b, e, x\.$/,
    );
  });

  it('has bad rows: a null key, an empty key, text that is not UTF-8 in an object', async () => {
    const schema = record({ v: 'bytes', k: ['null', 'string'], n: 'int' });
    const rows = [
      { v: Buffer.from('a'), k: { string: 'k1' }, n: 1 },
      { v: Buffer.from('b'), k: null, n: 2 },
      { v: Buffer.from('c'), k: { string: '' }, n: 3 },
      { v: Buffer.from('d'), k: { string: 'k2' }, n: 4 },
    ];
    const path = await written(schema, rows, 'null', 16);
    const read = await readFile(path, 'avro', { key: 'k' });
    expect(textRows(read)).toEqual(
      new Map([
        ['k1', '{"v":"YQ==","n":1}'],
        ['k2', '{"v":"ZA==","n":4}'],
      ]),
    );
    expect(read.rejects).toEqual([
      'at row 2: the key is null ({"v":"Yg==","k":null,"n":2})',
      'at row 3: empty key ({"v":"Yw==","k":"","n":3})',
    ]);
    const text = await written(record({ k: 'string', s: 'string', n: 'int' }), [
      { k: 'a', s: 'xy', n: 1 },
      { k: 'b', s: 'z', n: 2 },
    ]);
    const bytes = readFileSync(text);
    bytes[bytes.lastIndexOf('xy')] = 0xff;
    writeFileSync(text, bytes);
    const bad = await readFile(text, 'avro');
    expect(bad.rows).toHaveLength(1);
    expect(bad.rejects[0]).toMatch(/^at row 1: column 2 is not UTF-8, which a JSON value must be/);
  });
});

const SCRIPT = `
import avro.schema, avro.datafile, avro.io, datetime, decimal, json, sys
path, codec, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
decimal.getcontext().prec = 60
logical = lambda base, kind, **more: dict({'type': base, 'logicalType': kind}, **more)
fields = [
  ('id', 'string'), ('long', 'long'), ('maybe', ['null', 'long']),
  ('dec', logical('bytes', 'decimal', precision=38, scale=4)),
  ('fix', logical('fixed', 'decimal', name='f16', size=16, precision=38, scale=2)),
  ('day', logical('int', 'date')),
  ('tms', logical('int', 'time-millis')), ('tus', logical('long', 'time-micros')),
  ('ms', logical('long', 'timestamp-millis')), ('us', logical('long', 'timestamp-micros')),
  ('uuid', logical('string', 'uuid')),
]
schema = avro.schema.parse(json.dumps({'type': 'record', 'name': 'row', 'namespace': 'a.b', 'fields': [{'name': n, 'type': t} for n, t in fields]}))
writer = avro.datafile.DataFileWriter(open(path, 'wb'), avro.io.DatumWriter(), schema, codec=codec)
utc = datetime.timezone.utc
for i in range(count):
  at = datetime.datetime(1969, 12, 31, 23, 59, 58, 1000, tzinfo=utc) + datetime.timedelta(milliseconds=i * 100003)
  row = {
    'id': 'key%d' % i, 'long': (1 if i % 2 else -1) * (2**63 - 1 - i), 'maybe': None if i % 3 == 0 else 2**53 + i,
    'dec': decimal.Decimal('98765432109876543210.1234') * (1 if i % 2 else -1) + i,
    'fix': decimal.Decimal(i - 5).scaleb(-2), 'day': datetime.date(1960, 2, 27) + datetime.timedelta(days=i * 97),
    'tms': datetime.time(1, 2, 3, 4000), 'tus': datetime.time(23, 59, 59, i), 'ms': at, 'us': at + datetime.timedelta(microseconds=i),
    'uuid': '123e4567-e89b-12d3-a456-4266%08d' % i,
  }
  writer.append(row)
  stamp = lambda t, digits: t.strftime('%Y-%m-%dT%H:%M:%S.') + ('%06d' % t.microsecond)[:digits] + 'Z'
  print(json.dumps([row['id'], str(row['long']), '' if row['maybe'] is None else str(row['maybe']), format(row['dec'], '.4f'), format(row['fix'], '.2f'),
    row['day'].isoformat(), '01:02:03.004', '23:59:59.%06d' % i, stamp(row['ms'], 3), stamp(row['us'], 6), row['uuid']]))
writer.close()
`;
const NAMES = ['long', 'maybe', 'dec', 'fix', 'day', 'tms', 'tus', 'ms', 'us', 'uuid'];

describe('a file of python3-avro', () => {
  let python: string | undefined;
  beforeAll(() => {
    python = pythonWith('avro', 'python3-avro');
  });

  for (const codec of ['null', 'deflate']) {
    it(`has its 64-bit numbers, decimals and times exactly (${codec})`, async ({ skip }) => {
      if (python === undefined) return skip();
      const path = join(tempDir(), 'a.avro');
      const script = write(tempDir(), 'write.py', SCRIPT);
      const output = await runTool(python, [script, path, codec, '1000']);
      const rows = output
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as string[]);
      expect(rows).toHaveLength(1000);
      for (const [at, name] of NAMES.entries()) {
        const read = textRows(await readFile(path, 'avro', { value: name }));
        expect([name, [...read]]).toEqual([name, rows.map((row) => [row[0], row[at + 1]])]);
      }
      const read = await readFile(path, 'avro');
      for (const [at, [key, value]] of read.rows.entries()) {
        const row = rows[at]!;
        const members = NAMES.map((name, column) => {
          const text = row[column + 1]!;
          const isNumber = name === 'long' || name === 'maybe';
          return `"${name}":${isNumber ? text || 'null' : JSON.stringify(text)}`;
        });
        expect([key.toString(), value.toString()]).toEqual([row[0], `{${members.join(',')}}`]);
      }
    });
  }
});

describe('a file that is damaged or not read', () => {
  it('is told where, and never becomes other rows', async () => {
    const path = await written(PAIR, pairs(500), 'deflate', 2048);
    const bytes = readFileSync(path);
    const cut = write(tempDir(), 'cut.avro', bytes.subarray(0, bytes.length - 5));
    expect((await failure(readFile(cut, 'avro'))).message).toMatch(
      /is cut short in its last block, at byte \d+; copy/,
    );
    for (const at of [bytes.length - 1, bytes.length - 100, Math.floor(bytes.length / 2)]) {
      const bad = Buffer.from(bytes);
      bad[at] = bad[at]! ^ 0xff;
      const error = await failure(readFile(write(tempDir(), 'bad.avro', bad), 'avro'));
      expect(error.code).toBe('INPUT_INVALID');
      expect(error.message).toMatch(
        /is damaged: the block at byte \d+ .*; copy or write it again\.$/,
      );
    }
    const head = write(tempDir(), 'head.avro', bytes.subarray(0, 30));
    expect((await failure(readFile(head, 'avro'))).message).toMatch(/its header is cut short/);
  });

  it('has another codec, or rows that are no records', async () => {
    const packed = await written(PAIR, pairs(5), 'bzip2');
    const error = await failure(readFile(packed, 'avro'));
    expect(error.code).toBe('UNSUPPORTED');
    expect(error.message).toMatch(
      /compressed with bzip2, which is not read; write it with deflate, snappy, zstandard/,
    );
    const plain = await failure(readFile(await written('string', ['a']), 'avro'));
    expect(plain.message).toMatch(/its rows are not records but of the type string/);
  });
});

describe('a load', () => {
  it('of Avro has the digest of the same rows in jsonl, and goes on from its checkpoint', async () => {
    const { folder, load, master } = await setUp();
    const rows = pairs(20_000);
    const path = await written(PAIR, rows, 'snappy');
    const lines = rows.map(({ k, v }) => `${JSON.stringify({ key: k, value: v })}\n`).join('');
    const jsonl = write(folder, 'a.jsonl', lines);
    const chunkSize = '64KiB';
    const whole = await load([path], { chunkSize });
    expect(whole.digest).toBe((await load([jsonl])).digest);
    expect(whole.input.text).toBe('avro: key k, value v');
    expect((await load([path], { skipIfCurrent: true })).alreadyCurrent).toBe(false);
    expect((await load([path], { skipIfCurrent: true })).alreadyCurrent).toBe(true);
    master.nodes[0]!.stop();
    await failure(load([path], { minReplicas: 3, chunkSize }));
    master.replication = 1;
    master.nodes.shift();
    const resumed = await load([path], { minReplicas: 1, chunkSize });
    expect(resumed.chunksResumed).toBeGreaterThan(1);
    expect(resumed.digest).toBe(whole.digest);
  });
});
