// `stele cli --stat`: one line of INFO's figures every interval, until it is interrupted.

import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicNowMs } from '../../../base/clock.ts';
import { formatBytes } from '../../../base/units.ts';
import type { Output } from '../../output.ts';
import type { CliSession } from '../repl-session.ts';
import { errorOfReply, textOf } from '../reply-texts.ts';

const HEADER_EVERY_LINES = 20;
const COLUMNS = ['keys', 'memory', 'clients', 'commands/s', 'hits/s', 'misses/s', 'connections'];
const WIDTH = 12;

interface Figures {
  readonly atMs: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly keys: string;
}

/** Prints lines for ever, or `times` of them. Throws SteleError if the server is lost. */
export async function printStat(
  session: CliSession,
  output: Output,
  intervalMs: number,
  times: number,
): Promise<void> {
  let before: Figures | undefined;
  for (let line = 0; line < times; line++) {
    if (line % HEADER_EVERY_LINES === 0) output.line(row(COLUMNS));
    const now = await figuresOf(session);
    output.line(lineOf(now, before));
    before = now;
    if (line + 1 < times) await sleep(intervalMs);
  }
}

async function figuresOf(session: CliSession): Promise<Figures> {
  const [info, size] = await Promise.all([session.execute(['INFO']), session.execute(['DBSIZE'])]);
  const text = textOf(info);
  if (text === undefined) {
    throw errorOfReply('INFO', info?.type === 'error' ? info.text : 'its reply is no text');
  }
  const fields = new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const colon = line.indexOf(':');
      return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
    }),
  );
  const keys = size?.type === 'integer' ? String(size.value) : '-';
  return { atMs: monotonicNowMs(), fields, keys };
}

function lineOf(now: Figures, before: Figures | undefined): string {
  const number = (of: Figures, name: string): number => Number(of.fields.get(name) ?? 0);
  const rate = (name: string): string => {
    if (before === undefined) return '-';
    const seconds = (now.atMs - before.atMs) / 1000;
    return ((number(now, name) - number(before, name)) / seconds).toFixed(0);
  };
  return row([
    now.keys,
    formatBytes(number(now, 'used_memory')),
    String(number(now, 'connected_clients')),
    rate('total_commands_processed'),
    rate('keyspace_hits'),
    rate('keyspace_misses'),
    String(number(now, 'total_connections_received')),
  ]);
}

function row(cells: readonly string[]): string {
  return cells.map((cell) => cell.padStart(WIDTH)).join('');
}
