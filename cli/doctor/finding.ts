// What `stele doctor` and `stele upgrade check` say of one thing that they have looked at.

import { sentenceOf } from '../exit.ts';
import type { Output } from '../output.ts';

type Level = 'ok' | 'warn' | 'fail';

export interface Finding {
  readonly check: string;
  readonly level: Level;
  readonly text: string;
  /** What to do; empty if it is fine. */
  readonly advice: string;
}

export function ok(check: string, text: string): Finding {
  return { check, level: 'ok', text, advice: '' };
}

export function warn(check: string, text: string, advice: string): Finding {
  return { check, level: 'warn', text, advice };
}

export function fail(check: string, text: string, advice: string): Finding {
  return { check, level: 'fail', text, advice };
}

/** What a check finds; a check that cannot be made is a finding itself, and the others go on. */
export async function found(
  check: string,
  look: () => readonly Finding[] | Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  try {
    return await look();
  } catch (thrown) {
    return [
      fail(check, `cannot be looked at: ${sentenceOf(thrown)}`, 'See whether this user may.'),
    ];
  }
}

const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const;
const INDENT = '      ';

/** One line a finding, and its advice below. */
export function formatFindings(findings: readonly Finding[], paint: Output['paint']): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ advice, check, level, text }) => [
    `${paint(STYLES[level], level.padEnd(4))}  ${check.padEnd(width)}  ${text}`,
    ...(advice === '' ? [] : [`${INDENT}${' '.repeat(width)}  -> ${advice}`]),
  ]);
  const count = (level: Level): number => findings.filter((one) => one.level === level).length;
  return [
    ...lines,
    '',
    `${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} failed.`,
  ].join('\n');
}
