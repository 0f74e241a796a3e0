import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BackgroundTasks } from '../../../base/background.ts';
import { silentLogger } from '../../../base/log.ts';
import { VerifiedFiles } from '../../../datanode/storage/verified-files.ts';
import { Verifier } from '../../../datanode/storage/verifier.ts';
import { sealOf } from '../../../datanode/storage/verify-steps.ts';
import { openSegment, segmentMeta } from '../../../segment/reader.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { reseal } from '../../segment/pairs.ts';
import { openTestNode, pushTo } from '../../support/peers/datanode.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

const seal = ({ bytes }: BuiltSegment): string => sealOf(openSegment(bytes));

function oneSegment(rows: number): BuiltSegment {
  const [segment] = segmentsOf(numberedPairs(rows), 1);
  if (segment === undefined) throw new Error('no segment');
  return segment;
}

/** Every checksum is correct, and the second entry of the first line points one byte too far. */
function withWrongIndex(rows: number): BuiltSegment {
  const bytes = Buffer.from(new Uint8Array(oneSegment(rows).bytes).buffer);
  bytes.writeUInt16LE(bytes.readUInt16LE(128 + 26) + 1, 128 + 26);
  reseal(bytes);
  return { bytes, info: segmentMeta(openSegment(bytes)) };
}

function place({ info }: BuiltSegment): { keyspaceUid: string; segmentId: string } {
  return { keyspaceUid: TEST_UID, segmentId: info.id };
}

function verifierIn(folder: string): {
  verifier: Verifier;
  verified: VerifiedFiles;
  background: BackgroundTasks;
} {
  const background = new BackgroundTasks(silentLogger);
  const verified = new VerifiedFiles(folder, background);
  return {
    verified,
    background,
    verifier: new Verifier({ verified, threadsKept: 0, threadsMax: 1 }),
  };
}

describe('a segment whose index is wrong under correct checksums', () => {
  // The larger one is verified in a thread.
  it.each([40, 10_000])('is refused when it arrives (%i rows)', async (rows) => {
    const folder = tempDir();
    const { node } = await openTestNode(folder);
    const push = pushTo(node, [withWrongIndex(rows)]);
    await expect(push).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(node.holdings.count).toBe(0);
    expect(readdirSync(join(folder, 'incoming'))).toEqual([]);
  });

  it('is quarantined when it is found at a start, although it has the right name', async () => {
    const folder = tempDir();
    const bad = withWrongIndex(40);
    const keyspaceFolder = join(folder, 'segments', TEST_UID);
    mkdirSync(keyspaceFolder, { recursive: true });
    writeFileSync(join(keyspaceFolder, `${bad.info.id}.seg`), bad.bytes);
    const { node } = await openTestNode(folder);
    expect(node.holdings.count).toBe(0);
    expect(node.report.quarantinedTotal).toBe(1);
    expect(readdirSync(join(folder, 'quarantine'))).toHaveLength(1);
  });
});

describe('the full check', () => {
  it('is skipped only for bytes that have passed it before', async () => {
    const { verified, verifier } = verifierIn(tempDir());
    const good = oneSegment(40);
    await verifier.verify(good.bytes, place(good));
    expect(verified.knownSeal(place(good))).toBe(seal(good));

    const bad = withWrongIndex(40);
    await expect(verifier.verify(bad.bytes, place(bad))).rejects.toMatchObject({ code: 'CORRUPT' });
    expect(verified.knownSeal(place(bad))).toBe('');
    verified.add(place(bad), seal(good));
    await expect(verifier.verify(bad.bytes, place(bad))).rejects.toMatchObject({ code: 'CORRUPT' });
    verified.add(place(bad), seal(bad));
    await verifier.verify(bad.bytes, place(bad));
  });

  it('is remembered across a restart, even if the end of the file is damaged', async () => {
    const folder = tempDir();
    const [first, second] = [oneSegment(40), oneSegment(41)];
    const run = verifierIn(folder);
    await run.verifier.verify(first.bytes, place(first));
    await run.background.settled();
    const path = join(folder, 'verified');
    appendFileSync(path, '2 0123456789abcdef 00000-cut off');

    const again = verifierIn(folder);
    await again.verified.open();
    expect(again.verified.knownSeal(place(first))).toBe(seal(first));
    await again.verifier.verify(second.bytes, place(second));
    await again.background.settled();

    const third = verifierIn(folder);
    await third.verified.open();
    const known = [first, second].map((segment) => third.verified.knownSeal(place(segment)));
    expect(known).toEqual([first, second].map(seal));
    third.verified.forget(place(first));
    expect(third.verified.knownSeal(place(first))).toBe('');
  });

  it('keeps the file bounded by the number of held segments', async () => {
    const folder = tempDir();
    const { background, verified } = verifierIn(folder);
    for (let round = 0; round < 5000; round++) {
      const segmentId = String(round);
      verified.add({ keyspaceUid: TEST_UID, segmentId }, `seal ${segmentId}`);
      if (round >= 10) verified.forget({ keyspaceUid: TEST_UID, segmentId });
      await background.settled();
    }
    expect(existsSync(join(folder, 'verified'))).toBe(true);
    const lines = readFileSync(join(folder, 'verified'), 'utf8').split('\n');
    expect(lines.length).toBeLessThan(2000);
  });
});
