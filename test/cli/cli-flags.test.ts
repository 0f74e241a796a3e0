import { expect, it } from 'vitest';
import { csvLine } from '../../cli/repl/reply-csv.ts';
import { formOf, intervalMsOf, timesOf, toolOf } from '../../cli/repl/cli-flags.ts';

const noTool = {
  scan: false,
  bigkeys: false,
  memkeys: false,
  hotkeys: false,
  stat: false,
  latency: false,
  latencyHistory: false,
  latencyDist: false,
};

it('one tool and one form may be asked for', () => {
  expect(toolOf(noTool)).toBeUndefined();
  expect(toolOf({ ...noTool, latencyDist: true })).toBe('latencyDist');
  expect(() => toolOf({ ...noTool, scan: true, latencyDist: true })).toThrow(
    '--scan and --latency-dist cannot be used together.',
  );
  const noForm = { raw: false, csv: false, json: false, output: 'table' } as const;
  expect(formOf(noForm)).toBe('table');
  expect(formOf({ ...noForm, csv: true })).toBe('csv');
  expect(() => formOf({ ...noForm, csv: true, raw: true })).toThrow('--raw and --csv');
});

it('-r takes a number of times or -1, and -i seconds or a duration', () => {
  expect([timesOf('3'), timesOf('-1')]).toEqual([3, Infinity]);
  for (const wrong of ['0', '-2', '1.5', 'x', '']) expect(() => timesOf(wrong)).toThrow("-r '");
  expect(['0.1', '.5', '2', '100ms', undefined].map(intervalMsOf)).toEqual([
    100,
    500,
    2000,
    100,
    undefined,
  ]);
  expect(() => intervalMsOf('soon')).toThrow("'soon'");
});

it('CSV is that of redis-cli', () => {
  const text = (value: string) => ({ type: 'bulk', bytes: Buffer.from(value) }) as const;
  const items = [text('a"b'), { type: 'nil' }, { type: 'integer', value: 3 }] as const;
  expect(csvLine({ type: 'array', items: [...items] })).toBe('"a\\"b",NULL,3');
  expect(csvLine({ type: 'error', text: 'ERR no' })).toBe('ERROR,"ERR no"');
});
