import { expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { followEvents } from '../../../cli/listings/follow-events.ts';
import { EventLog } from '../../support/peers/event-log.ts';
import { until } from '../../support/process/stele-process.ts';
import { RecordingOutput } from '../recording-output.ts';

function follow(log: EventLog, form: 'table' | 'json' | 'yaml' | 'name', limit = 2, keyspace = '') {
  const output = new RecordingOutput();
  const admin = { listEvents: log.list.bind(log), close: () => log.wake() };
  const values = { output: form, noHeaders: false };
  const code = followEvents(admin, { output, values, keyspace, limit });
  const shown = (text: string): Promise<void> => until(text, () => output.stdout.includes(text));
  const stop = (): Promise<number> => {
    process.emit('SIGINT', 'SIGINT');
    return code;
  };
  return { output, shown, stop };
}

const away = new SteleError('UNAVAILABLE', 'No master answers.');

function logOf(...numbers: number[]): EventLog {
  const log = new EventLog();
  for (const number of numbers) log.add(number);
  return log;
}

it('shows the last events oldest first, then each as it happens, and ends with 130', async () => {
  const log = logOf(1, 2, 3);
  const { output, shown, stop } = follow(log, 'name');
  await shown('3\n');
  log.add(4);
  await shown('4\n');
  expect(await stop()).toBe(130);
  expect(output).toMatchObject({ stdout: '2\n3\n4\n', stderr: '' });
});

it('goes on without a gap or a repeat when the master comes back, and tells once', async () => {
  const log = logOf(1, 2);
  const { output, shown, stop } = follow(log, 'json');
  await shown('"number":2');
  log.error = away;
  log.wake();
  await until('the notice', () => output.stderr !== '');
  log.events = [];
  for (const number of [1, 2, 3, 4]) log.add(number);
  log.error = undefined;
  await shown('"number":4');
  await stop();
  const numbers = [...output.stdout.matchAll(/"number":([0-9]+)/g)].map((match) => match[1]);
  expect(numbers).toEqual(['1', '2', '3', '4']);
  expect(output.stderr).toBe('{"notice":{"message":"No master answers."}}\n');
});

it('says that events are no longer kept', async () => {
  const log = logOf(1, 2);
  const { output, shown, stop } = follow(log, 'table');
  await shown('rollback');
  log.events = [];
  log.add(9);
  await until('the notice', () => output.stderr !== '');
  await stop();
  expect(output.stderr).toBe('stele: 6 events in between are no longer kept.\n');
  expect(output.stdout.match(/^AT/gm)).toHaveLength(1);
});

it('fails if the first question has no answer', async () => {
  const log = logOf(1);
  log.error = away;
  const admin = { listEvents: log.list.bind(log), close: () => undefined };
  const values = { output: 'table', noHeaders: false } as const;
  const output = new RecordingOutput();
  const code = followEvents(admin, { output, values, keyspace: '', limit: 1 });
  await expect(code).rejects.toBe(away);
});
