import { PassThrough } from 'node:stream';
import type { ReadStream } from 'node:tty';
import { expect, it } from 'vitest';
import { showLive } from '../../../cli/top/run-top.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';
import { startFakeMaster } from '../../support/peers/fake-master.ts';
import { until } from '../../support/process/stele-process.ts';
import { RecordingOutput } from '../recording-output.ts';
import { stele } from '../run-stele.ts';

it('prints one report without a terminal, for people and for programs', async () => {
  const cluster = new FakeCluster();
  const { address } = await startFakeMaster(cluster);
  const run = (...more: string[]) =>
    stele(['top', '--interval', '100ms', '--master', address, ...more]);
  const { code, stdout } = await run();
  expect(code).toBe(0);
  expect(stdout).toMatch(/^NODE +STATE +KEYS\/S[^\n]*\ndatanode-0 +serving +0 /m);
  const json = JSON.parse((await run('-o', 'json')).stdout) as object;
  expect(json).toMatchObject({
    front: {},
    nodes: [{ name: 'datanode-0', reads_per_second: 0 }, {}, {}],
  });
});

/** A keyboard. */
function keyboard() {
  const raw: boolean[] = [];
  const keys = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (on: boolean) => raw.push(on),
  });
  return { keys, input: keys as unknown as ReadStream, raw };
}

it.each([
  ['q', 0],
  ['\u0003', 130],
])('is redrawn on a terminal, sorts with s, and ends with %j', async (key, expected) => {
  const cluster = new FakeCluster();
  const output = new RecordingOutput(true);
  const { input, keys, raw } = keyboard();
  const source = {
    readCounters: () => cluster.readCounters(),
    listNodes: () => cluster.listNodes(),
  };
  const code = showLive(source, { output, intervalMs: 10, sort: 'name', input });
  await until('two reports', () => output.stdout.split('KEYSPACE').length > 2);
  keys.write('s');
  await until('the other order', () => output.stdout.includes('(by reads)'));
  keys.write(key);
  expect(await code).toBe(expected);
  expect(raw).toEqual([true, false]);
  expect(output.stdout).toMatch(/\[[?]1049l[^]*KEYSPACE[^]*\n$/);
});
