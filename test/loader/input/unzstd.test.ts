import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { bestZstdDecoder, unzstd } from '../../../loader/input/unzstd.ts';
import type { ZstdDecoder } from '../../../loader/input/unzstd.ts';
import { hasTool } from '../../support/tools.ts';
import {
  ZSTD_FRAMES,
  rawFrame,
  sampleLines,
  skippableFrame,
} from '../../support/inputs/zstd-frames.ts';
import { cutUp, joined } from '../pieces.ts';
import { runs } from '../rows.ts';

/** Node's own too, where it has one. */
const DECODERS: ZstdDecoder[] = [...new Set<ZstdDecoder>(['fzstd', bestZstdDecoder()])];

describe.each(DECODERS)('zstd by %s', (decoder) => {
  const unpack = (bytes: Buffer, pieceBytes = 65_536): Promise<Buffer> =>
    joined(unzstd(cutUp(bytes, pieceBytes), "'x.zst'", undefined, decoder));

  const failure = async (bytes: Buffer): Promise<string> => {
    const thrown = await unpack(bytes).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(SteleError);
    return `${(thrown as SteleError).code} ${(thrown as SteleError).message}`;
  };

  it.each(ZSTD_FRAMES)('a frame of $name, in pieces of any size', async ({ bytes, lines }) => {
    const content = sampleLines(lines);
    for (const pieceBytes of [1, 3, 64, 1000, 1e6]) {
      expect((await unpack(bytes, pieceBytes)).equals(content)).toBe(true);
    }
  });

  it('frames one after the other, with skippable and empty ones between', async () => {
    const skip = skippableFrame(Buffer.from('an index that is none of our business'));
    const whole = Buffer.alloc(300_000, 'a');
    const parts = [
      skip,
      ...ZSTD_FRAMES.map(({ bytes }) => bytes),
      skip,
      skippableFrame(Buffer.of()),
    ];
    const bytes = Buffer.concat([...parts, rawFrame(Buffer.of()), rawFrame(whole), skip]);
    const content = Buffer.concat([...ZSTD_FRAMES.map(({ lines }) => sampleLines(lines)), whole]);
    for (const pieceBytes of [7, 65_536]) {
      expect((await unpack(bytes, pieceBytes)).equals(content)).toBe(true);
    }
    expect(await unpack(skip)).toHaveLength(0);
  });

  it('any bytes in raw frames of any cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 100 }),
        async (contents, size) => {
          const frames = contents.map((content) => rawFrame(Buffer.from(content), size));
          const unpacked = await unpack(Buffer.concat(frames), size);
          expect(unpacked.equals(Buffer.concat(contents))).toBe(true);
        },
      ),
      runs(60),
    );
  });

  it('a file cut short anywhere is told, with the place', async () => {
    const { bytes } = ZSTD_FRAMES[0]!;
    const two = Buffer.concat([bytes, skippableFrame(Buffer.alloc(20)), bytes]);
    const ends = new Set([0, bytes.length, bytes.length + 28, two.length]);
    for (let length = 0; length < two.length; length++) {
      if (ends.has(length)) continue;
      const text = await failure(two.subarray(0, length));
      expect([length, text]).toEqual([
        length,
        expect.stringMatching(/^INPUT_INVALID 'x.zst' is d/),
      ]);
    }
    expect(await failure(bytes.subarray(0, -1))).toContain(`at byte ${bytes.length - 1} of it`);
  });

  it('a flipped bit in a frame with a checksum is told, or changes nothing', async () => {
    const checked = ZSTD_FRAMES.filter(({ name }) => !name.includes('without'));
    for (const { bytes, lines } of checked) {
      let harmless = 0;
      const step = Math.max(1, bytes.length >> 6);
      for (let at = 0; at < bytes.length; at += step) {
        const bad = Buffer.from(bytes);
        bad[at]! ^= 1 << (at % 8);
        const unpacked = await unpack(bad).catch((error: unknown) => error);
        const isHarmless = unpacked instanceof Buffer && unpacked.equals(sampleLines(lines));
        // A bit that has no meaning, a window that is larger than need be.
        if (isHarmless) harmless++;
        else expect([at, unpacked instanceof SteleError]).toEqual([at, true]);
      }
      expect(harmless).toBeLessThan(6);
    }
  });

  it('bytes behind the last frame are told', async () => {
    const frame = rawFrame(Buffer.from('a 1\n'));
    for (const more of [Buffer.from('more'), Buffer.alloc(100), Buffer.from([0x28, 0xb5])]) {
      const text = await failure(Buffer.concat([frame, more]));
      expect(text).toContain('bytes that are not a zstd frame at byte 20 of it (4 bytes unpacked');
    }
  });

  it('what a frame may not ask for is refused before memory is taken for it', async () => {
    const window = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 1, 0, 0]);
    expect(await failure(window)).toMatch(/^UNSUPPORTED .* window of 1.0 GiB.*--long=31/);
    const dictionary = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x40, 7, 1, 0, 0]);
    expect(await failure(dictionary)).toMatch(/^UNSUPPORTED .* with a dictionary/);
    const reserved = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x08, 0x40, 1, 0, 0]);
    expect(await failure(reserved)).toMatch(/^INPUT_INVALID .* a bad frame header/);
    // An RLE block of 2 MiB - 1, sixteen times what a block may be.
    const bomb = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x40, 0xfb, 0xff, 0xff, 0x61]);
    expect(await failure(bomb)).toMatch(/^INPUT_INVALID .* a bad block/);
    const tooShort = rawFrame(Buffer.from('abcdef'));
    tooShort.writeUInt32LE(7, 5);
    expect(await failure(tooShort)).toMatch(/^INPUT_INVALID/);
  });

  it('what the zstd program packs, at every level and in every shape', async (context) => {
    if (!hasTool('zstd', 'zstd')) return context.skip();
    // More than a block of 128 KiB each.
    const lines = sampleLines(8_000);
    const random = randomBytes(150_000);
    const samples = [
      Buffer.of(),
      Buffer.from('a'),
      lines,
      random,
      Buffer.concat([lines, random, Buffer.alloc(400_000, 'ab'), lines]),
    ];
    const options = ['-1', '-19', '--fast=9 --no-check', '--long=27', '-7 --no-content-size'];
    options.push('-T2 -B512KiB');
    for (const option of options) {
      for (const input of samples) {
        const packed = spawnSync('zstd', ['-c', ...option.split(' ')], { input }).stdout;
        const unpacked = await unpack(packed);
        expect([option, input.length, unpacked.equals(input)]).toEqual([
          option,
          input.length,
          true,
        ]);
      }
    }
  });
});
