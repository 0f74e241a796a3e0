// What a process makes of the limits of its container.

import { afterAll, describe, expect, test } from 'vitest';
import { controlGroup } from '../../support/process/control-group.ts';
import { SteleProcess } from '../../support/process/stele-process.ts';

const MIB = 1024 ** 2;
const group = controlGroup({ cores: 1, memoryMib: 1024 });

afterAll(() => group?.remove());

async function inGroup(...words: string[]): Promise<string> {
  const { code, stderr, stdout } = await new SteleProcess(words, {
    within: group?.within ?? [],
  }).finished();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

interface Setting {
  readonly setting: string;
  readonly value: unknown;
}

describe.skipIf(group === undefined)('in a container of 1 GiB and one processor', () => {
  test('a datanode leaves room for the system', async () => {
    const settings = JSON.parse(await inGroup('config', 'datanode', '-o', 'json')) as Setting[];
    const memoryMax = settings.find(({ setting }) => setting === 'memory-max')?.value;
    expect(memoryMax).toBe(((1024 * 7) / 8) * MIB);
  });

  test('a load has one worker', async () => {
    const settings = JSON.parse(await inGroup('config', 'load', '-o', 'json')) as Setting[];
    expect(settings.find(({ setting }) => setting === 'workers')?.value).toBe(1);
  });
});
