import { expect, it } from 'vitest';
import { MapBackend } from '../map-backend.ts';
import { ask, listenFor } from '../raw-client.ts';

it('changes the thresholds of SLOWLOG and LATENCY, which CONFIG GET then shows', async () => {
  const { port } = await listenFor(new MapBackend());
  const names = 'slowlog-log-slower-than slowlog-max-len latency-monitor-threshold';
  const get = async (): Promise<string[]> => (await ask(port, `CONFIG GET ${names}`)).split('\r\n');
  expect((await get()).filter((line) => /^-?\d+$/.test(line))).toEqual(['10000', '128', '0']);
  expect(
    await ask(
      port,
      'CONFIG SET slowlog-log-slower-than 250 slowlog-max-len 5',
      'config set LATENCY-MONITOR-THRESHOLD 7',
    ),
  ).toBe('+OK\r\n+OK\r\n');
  expect((await get()).filter((line) => /^-?\d+$/.test(line))).toEqual(['250', '5', '7']);
  await ask(port, 'CONFIG SET slowlog-log-slower-than -1');
  expect(await get()).toContain('-1');
});

it.each([
  ['slowlog-max-len 7 foo 1', "Unknown option or number of arguments for CONFIG SET - 'foo'"],
  [
    'slowlog-max-len 7 save x',
    "(possibly related to argument 'save') - can't set immutable config",
  ],
  ['slowlog-max-len 7 slowlog-max-len 8', '- duplicate parameter'],
  [
    'slowlog-max-len 7 latency-monitor-threshold x',
    "- argument couldn't be parsed into an integer",
  ],
  ['slowlog-max-len -1', 'must be between 0 and'],
  ['slowlog-log-slower-than -2', 'must be between -1 and'],
  ['slowlog-max-len 7 latency-monitor-threshold', 'syntax error'],
])('changes nothing if a part is wrong: %s', async (words, error) => {
  const { port } = await listenFor(new MapBackend());
  expect(await ask(port, `CONFIG SET ${words}`)).toContain(error);
  expect(await ask(port, 'CONFIG GET slowlog-max-len')).toContain('$3\r\n128\r\n');
});
