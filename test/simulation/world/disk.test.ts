import { describe, expect, test } from 'vitest';
import { writeFileDurable } from '../../../base/disk/durable-file.ts';
import type { Files } from '../../../base/disk/files.ts';
import { SimClock, SimProcess } from './clock.ts';
import { SimDisk, SimFile } from './disk.ts';
import { SimRandom } from './random.ts';

class Process extends SimProcess {
  constructor() {
    super('p');
    this.beginLife();
  }
}

/**
 * Does `work` on a disk, then takes the power away; what is left at `path`, for each of many seeds.
 */
async function leftAfter(
  work: (files: Files) => Promise<unknown>,
  path: string,
): Promise<Set<string>> {
  const left = new Set<string>();
  for (let seed = 1; seed <= 100; seed++) {
    const clock = new SimClock();
    const disk = new SimDisk(clock, new SimRandom(seed));
    const done = work(disk.filesOf(new Process()));
    do await new Promise((resolve) => setImmediate(resolve));
    while (clock.step(1_000));
    await done;
    disk.crash();
    const found = disk.find(path);
    left.add(found instanceof SimFile ? found.bytes.toString() : 'nothing');
  }
  return left;
}

async function write(files: Files, path: string, text: string): Promise<void> {
  const file = await files.open(path, 'w');
  await file.write(Buffer.from(text), 0, text.length);
}

describe('what a power cut leaves', () => {
  test('of a file that was synced, in a folder that was: all', async () => {
    const work = (files: Files) =>
      writeFileDurable('/data/a', [Buffer.from('whole')], undefined, files);
    expect(await leftAfter(work, '/data/a')).toEqual(new Set(['whole']));
  });

  test('of a file that was not: nothing, a part, or all', async () => {
    const left = await leftAfter((files) => write(files, '/data/a', 'ab'), '/data/a');
    expect(left).toEqual(new Set(['nothing', '', 'a', 'ab']));
  });

  test('of a rename that was not synced: the old file or the new one', async () => {
    const work = async (files: Files): Promise<void> => {
      await writeFileDurable('/data/a', [Buffer.from('old')], undefined, files);
      const file = await files.open('/data/b', 'w');
      await file.write(Buffer.from('new'), 0, 3);
      await file.sync();
      await files.rename('/data/b', '/data/a');
    };
    expect(await leftAfter(work, '/data/a')).toEqual(new Set(['old', 'new']));
  });
});
