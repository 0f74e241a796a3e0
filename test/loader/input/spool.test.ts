import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { toGrpcError } from '../../../transport/grpc-errors.ts';
import {
  ZSTD_FRAMES,
  rawFrame,
  sampleLines,
  skippableFrame,
} from '../../support/inputs/zstd-frames.ts';
import { failure, rowsText, setUp, write } from '../load-setup.ts';

const ROWS = rowsText(3000);
const { pairs } = ROWS;
const BYTES = Buffer.from(ROWS.text);

describe('a compressed input', () => {
  it('loads the same as the plain one, by file, folder and standard input', async () => {
    const { folder, leftBehind, load, master } = await setUp();
    const { digest } = await load([write(folder, 'plain.data', BYTES)]);
    const half = BYTES.length >> 1;
    const parts = [BYTES.subarray(0, half), BYTES.subarray(half)] as const;
    const gz = Buffer.concat(parts.map((part) => gzipSync(part)));
    const skip = skippableFrame(Buffer.alloc(100));
    const zst = Buffer.concat([skip, ...parts.map((part) => rawFrame(part)), skip]);
    const options = { format: 'line' };
    for (const packed of [gz, zst]) {
      const summaries = [
        await load([write(folder, 'a.data.gz', packed)]),
        await load([write(folder, 'b.data', packed)]),
        await load(['-'], options, { stdin: Readable.from([packed]) }),
        await load(['-'], options, {
          stdin: Readable.from([
            ...Array.from(packed.subarray(0, 2000), (byte) => Buffer.of(byte)),
            packed.subarray(2000),
          ]),
        }),
      ];
      for (const summary of summaries) {
        expect(summary).toMatchObject({ digest, loaded: pairs.size, bytes: BYTES.length });
      }
    }
    expect(master.pairs()).toEqual(pairs);
    expect(leftBehind()).toEqual([]);
  });

  it('of real zstd frames has every row', async () => {
    const { folder, load } = await setUp();
    const lines = Buffer.concat(ZSTD_FRAMES.map((frame) => sampleLines(frame.lines)));
    const file = write(folder, 'a.data.zst', Buffer.concat(ZSTD_FRAMES.map(({ bytes }) => bytes)));
    const packed = await load([file], { onConflict: 'last' });
    const plain = await load([write(folder, 'a.data', lines)], { onConflict: 'last' });
    expect(packed).toMatchObject({ rows: 24_090, loaded: 50, digest: plain.digest });
  });

  it('of a load that is refused for good leaves nothing, nor does a stream that cannot begin', async () => {
    const { folder, leftBehind, load, master } = await setUp();
    const file = write(folder, 'a.data.gz', gzipSync(BYTES));
    const refused = toGrpcError(new SteleError('INVALID_ARGUMENT', 'Not this name.'));
    const busy = toGrpcError(new SteleError('LOAD_IN_PROGRESS', 'Another one.'));
    master.beginFailures.push(refused, busy, busy);
    expect((await failure(load([file]))).message).toBe('Not this name.');
    expect(leftBehind()).toEqual([]);
    const stream = load(['-'], { format: 'line' }, { stdin: Readable.from([BYTES]) });
    expect((await failure(stream)).code).toBe('LOAD_IN_PROGRESS');
    expect(leftBehind()).toEqual([]);
    expect((await failure(load([file]))).code).toBe('LOAD_IN_PROGRESS');
    expect(leftBehind()).toHaveLength(1);
  });

  it('that is damaged commits nothing, leaves no spool, and names file and place', async () => {
    const { folder, leftBehind, load, master } = await setUp();
    const gz = gzipSync(BYTES);
    const flipped = Buffer.from(gz);
    flipped[gz.length >> 1]! ^= 4;
    const zst = rawFrame(BYTES);
    const flippedZst = Buffer.from(zst);
    flippedZst[50]! ^= 1;
    const cases: [string, Buffer, RegExp][] = [
      ['cut.gz', gz.subarray(0, -9), new RegExp(`ends too soon, at byte ${gz.length - 9} of it`)],
      ['flipped.gz', flipped, /is damaged/],
      ['more.gz', Buffer.concat([gz, Buffer.from('more')]), /not gzip follow/],
      ['cut.zst', zst.subarray(0, -1), new RegExp(`ends inside a frame at byte ${zst.length - 1}`)],
      ['flipped.zst', flippedZst, /the checksum does not match in the frame at byte 0/],
    ];
    for (const [name, bytes, pattern] of cases) {
      const file = write(folder, name, bytes);
      const error = await failure(load([file], { format: 'line' }));
      expect(error.code).toBe('INPUT_INVALID');
      expect(error.message).toContain(`'${file}' is damaged`);
      expect(error.message).toMatch(pattern);
      expect(leftBehind()).toEqual([]);
      await load([write(folder, name, gz)], { format: 'line' });
    }
    expect(master.version).toBe(cases.length);
  });

  it('that is compressed twice, or holds what is no text, is refused', async () => {
    const { folder, load } = await setUp();
    const twice = await failure(load([write(folder, 'a.data.gz', gzipSync(gzipSync(BYTES)))]));
    expect([twice.code, twice.message]).toEqual([
      'UNSUPPORTED',
      expect.stringContaining('was compressed twice'),
    ]);
    const archive = Buffer.alloc(1024);
    archive.write('ustar', 257);
    const tar = await failure(load([write(folder, 'b.csv.gz', gzipSync(archive))]));
    expect(tar.message).toContain(`unpacked, is a tar archive`);
  });

  it('that grows while it is unpacked is a changed one, not a damaged one', async () => {
    const { folder, load } = await setUp();
    const file = write(folder, 'a.data.gz', gzipSync(BYTES).subarray(0, -20));
    const onNotice = (): void => undefined;
    const loading = load([file], {}, { onNotice });
    appendFileSync(file, 'x');
    expect((await failure(loading)).code).toBe('INPUT_CHANGED');
  });

  it('is not unpacked again by a resumed load', async () => {
    const { folder, load, master } = await setUp();
    const file = write(folder, 'a.data.gz', gzipSync(BYTES));
    master.beforeCommit = () => {
      throw new Error('not now');
    };
    await failure(load([file]));
    const [work = ''] = readdirSync(join(folder, 'work'));
    const spool = join(folder, 'work', work, 'spool');
    const [name = ''] = readdirSync(spool);
    const { ino } = statSync(join(spool, name));
    await failure(load([file]));
    expect(statSync(join(spool, name)).ino).toBe(ino);
    master.beforeCommit = () => undefined;
    expect(await load([file])).toMatchObject({ shardsResumed: 8, loaded: pairs.size });
  });
});

describe('a stream', () => {
  it('may be a named pipe', async () => {
    const { folder, load, master } = await setUp();
    const pipe = join(folder, 'pipe');
    const source = write(folder, 'source.gz', gzipSync(BYTES));
    // Opening a pipe for writing waits for its reader, which must not be this very process.
    const writer = spawn('sh', ['-c', 'mkfifo "$0"; echo; cat "$1" > "$0"', pipe, source]);
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    expect(await load([pipe], { format: 'line' })).toMatchObject({ loaded: pairs.size });
    expect(master.pairs()).toEqual(pairs);
  });

  it('without a format is refused before it is read', async () => {
    const { load } = await setUp();
    const stdin = Readable.from([BYTES]);
    const error = await failure(load(['-'], {}, { stdin }));
    expect(error.message).toContain('The format of standard input is unknown; name it with');
    expect(stdin.readableDidRead).toBe(false);
  });

  it('that never ends is let go of when the load is stopped', async () => {
    const { folder, load } = await setUp();
    const { promise: isRead, resolve: onRead } = deferred();
    const stdin = new Readable({ read: onRead });
    const stop = new AbortController();
    const loading = failure(load(['-'], { format: 'line' }, { stdin, signal: stop.signal }));
    await isRead;
    stdin.push('a 1\n');
    stop.abort();
    expect((await loading).code).toBe('CANCELLED');
    expect(stdin.destroyed).toBe(true);
    expect(existsSync(join(folder, 'work'))).toBe(true);
  });

  it('resumes nothing of another content', async () => {
    const { load, master } = await setUp();
    master.beforeCommit = () => {
      throw new Error('not now');
    };
    const from = (content: string) => ({ stdin: Readable.from([Buffer.from(content)]) });
    await failure(load(['-'], { format: 'line' }, from('a 1\n')));
    master.beforeCommit = () => undefined;
    const other = await load(['-'], { format: 'line' }, from('a 2\n'));
    expect(other.chunksResumed).toBe(0);
    expect(master.pairs().get('a')).toBe('2');
  });
});

it('an empty file among others is told, and the others are loaded', async () => {
  const { folder, load } = await setUp();
  const notices: string[] = [];
  const empty = write(folder, 'b.data', '');
  const paths = [write(folder, 'a.data', 'a 1\n'), empty];
  const summary = await load(paths, {}, { onNotice: (text) => notices.push(text) });
  expect(summary.loaded).toBe(1);
  expect(notices).toEqual([`'${empty}' is empty`]);
  writeFileSync(paths[0]!, '');
  expect((await failure(load(paths))).message).toContain('The input is empty.');
});

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
