import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { gunzip } from '../../../loader/input/gunzip.ts';
import { sampleLines } from '../../support/inputs/zstd-frames.ts';
import { cutUp, joined } from '../pieces.ts';

const CONTENT = sampleLines(3000);
const MEMBERS = Buffer.concat([
  gzipSync(CONTENT.subarray(0, 1000)),
  gzipSync(Buffer.of()),
  gzipSync(CONTENT.subarray(1000)),
]);

const unpack = (bytes: Buffer, pieceBytes = 1000): Promise<Buffer> =>
  joined(gunzip(cutUp(bytes, pieceBytes), "'x.gz'"));

async function failure(bytes: Buffer, pieceBytes = 1000): Promise<string> {
  const thrown = await unpack(bytes, pieceBytes).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(SteleError);
  expect((thrown as SteleError).code).toBe('INPUT_INVALID');
  return (thrown as SteleError).message;
}

it('members one after the other are one content, in pieces of any size', async () => {
  for (const pieceBytes of [1, 7, 100, 1e6]) {
    expect((await unpack(MEMBERS, pieceBytes)).equals(CONTENT)).toBe(true);
  }
});

it('a file cut short anywhere is told', async () => {
  const memberEnds = new Set<number>();
  const first = gzipSync(CONTENT.subarray(0, 1000)).length;
  memberEnds
    .add(0)
    .add(first)
    .add(first + gzipSync(Buffer.of()).length);
  for (let length = 0; length < MEMBERS.length; length++) {
    if (memberEnds.has(length)) continue;
    expect([length, await failure(MEMBERS.subarray(0, length))]).toEqual([
      length,
      expect.stringContaining(`it ends too soon, at byte ${length} of it`),
    ]);
  }
});

it('a flipped bit is told, or changes nothing (the time, bits that have no meaning)', async () => {
  const only = gzipSync(CONTENT);
  let refused = 0;
  for (let at = 0; at < only.length; at++) {
    const bad = Buffer.from(only);
    bad[at]! ^= 1 << (at % 8);
    const unpacked = await unpack(bad).catch(() => undefined);
    if (unpacked === undefined) refused++;
    else expect([at, unpacked.equals(CONTENT)]).toEqual([at, true]);
  }
  expect(refused).toBeGreaterThan(only.length - 12);
  const bad = Buffer.from(only);
  bad[only.length - 6]! ^= 1;
  expect(await failure(bad)).toContain('a checksum does not match');
});

it('zeros alone after the last member are padding, wherever the pieces end', async () => {
  // Zeros within, too: stored as they are, over many pieces.
  const zeros = gzipSync(Buffer.concat([Buffer.alloc(200_000), Buffer.from('x')]), { level: 0 });
  for (const padding of [1, 512, 300_000]) {
    for (const pieceBytes of [7, MEMBERS.length, 1e6]) {
      const bytes = Buffer.concat([MEMBERS, zeros, Buffer.alloc(padding)]);
      const content = await unpack(bytes, pieceBytes);
      expect(content.length).toBe(CONTENT.length + 200_001);
      expect(content.subarray(0, CONTENT.length).equals(CONTENT)).toBe(true);
    }
  }
});

it('other bytes after the last member are told, after zeros too, wherever the pieces end', async () => {
  const rests = [
    Buffer.from('more'),
    Buffer.concat([Buffer.alloc(100), Buffer.of(1), Buffer.alloc(100)]),
    Buffer.concat([Buffer.alloc(5), MEMBERS]),
  ];
  for (const rest of rests) {
    const bytes = Buffer.concat([MEMBERS, rest]);
    for (const pieceBytes of [1, MEMBERS.length, 1e6]) {
      expect(await failure(bytes, pieceBytes)).toContain('bytes that are not gzip follow');
    }
  }
  const text = await failure(Buffer.concat([MEMBERS, Buffer.alloc(100), Buffer.of(1)]));
  expect(text).toContain(`at byte ${MEMBERS.length} of it (${CONTENT.length} bytes unpacked`);
});

it('an error of the source is passed on as it is, and an early end releases it', async () => {
  let isReleased = false;
  async function* broken(): AsyncGenerator<Buffer> {
    yield await Promise.resolve(MEMBERS.subarray(0, 100));
    throw new Error('the disk is gone');
  }
  await expect(joined(gunzip(broken(), 'x'))).rejects.toThrow('the disk is gone');
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield await Promise.resolve(MEMBERS);
    } finally {
      isReleased = true;
    }
  }
  for await (const part of gunzip(watched(), 'x')) if (part.length > 0) break;
  await new Promise((resolve) => setImmediate(resolve));
  expect(isReleased).toBe(true);
});
